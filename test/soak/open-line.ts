/** A client of any kind. */
import { JsonLine, SocketIoLine } from './gateway-lines.js';
import type { Line, LineKind, LineSpec } from './line.js';
import { StompjsLine } from './stompjs-line.js';
import { TcpLine } from './tcp-line.js';

export const LINE_KINDS: readonly [LineKind, ...LineKind[]] = [
  'tcp-1.0',
  'tcp-1.1',
  'tcp-1.2',
  'stompjs-websocket',
  'sockjs-websocket',
  'sockjs-xhr-streaming',
  'sockjs-eventsource',
  'sockjs-xhr-polling',
  'json',
  'socketio-websocket',
  'socketio-polling',
];

/** Connecting: `ready` tells. */
export function openLine(kind: LineKind, spec: LineSpec): Line {
  switch (kind) {
    case 'tcp-1.0':
      return new TcpLine('1.0', spec);
    case 'tcp-1.1':
      return new TcpLine('1.1', spec);
    case 'tcp-1.2':
      return new TcpLine('1.2', spec);
    case 'json':
      return new JsonLine(spec);
    case 'socketio-websocket':
    case 'socketio-polling':
      return new SocketIoLine(kind, spec);
    default:
      return new StompjsLine(kind, spec);
  }
}
