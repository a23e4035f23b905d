/**
 * The practical limit: what Node's sockets cost when nothing else is left to do. No frame is parsed after the first of a
 * publisher, every MESSAGE is one buffer that was built before. Argument: `frame` writes it once per delivery, `batch`
 * writes to each subscriber once per read, the same octets for all.
 */
import { createHash } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { FrameCutter, messageOf, subscriptionOf, toWebSocketFrame } from './limit-frames.js';
import { serveParent } from './server-process.js';

const isBatching = process.argv[2] === 'batch';
/** RFC 6455, 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const subscribers = new Map<string, Set<Socket>>();

function serve(socket: Socket, isWebSocket: boolean): void {
  const wrap = (frame: Buffer): Buffer => (isWebSocket ? toWebSocketFrame(frame) : frame);
  const cutter = new FrameCutter(isWebSocket);
  let message: Buffer = Buffer.alloc(0);
  let receivers: readonly Socket[] | null = null;
  /** By the number of messages in it. */
  const batches = new Map<number, Buffer>();

  const onFirst = (text: string): void => {
    if (text.startsWith('CONNECT')) socket.write(wrap(Buffer.from('CONNECTED\nversion:1.2\n\n\0')));
    else if (text.startsWith('SUBSCRIBE')) {
      const { destination, receipt } = subscriptionOf(text);
      subscribers.set(destination, (subscribers.get(destination) ?? new Set()).add(socket));
      socket.write(wrap(Buffer.from(`RECEIPT\nreceipt-id:${receipt}\n\n\0`)));
    } else {
      const built = messageOf(text);
      message = wrap(built.frame);
      receivers = [...(subscribers.get(built.destination) ?? [])];
      cutter.countOnly();
    }
  };
  const publish = (count: number): void => {
    if (count === 0 || receivers === null) return;
    if (isBatching) {
      const batch = batches.get(count) ?? Buffer.concat(Array.from({ length: count }, () => message));
      batches.set(count, batch);
      for (const receiver of receivers) receiver.write(batch);
      return;
    }
    for (let k = 0; k < count; k++) for (const receiver of receivers) receiver.write(message);
  };
  socket.on('data', (octets: Buffer) => publish(cutter.push(octets, onFirst)));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    for (const set of subscribers.values()) set.delete(socket);
  });
}

const tcp = createServer({ noDelay: true }, (socket) => serve(socket, false));
const http = createHttpServer();
http.on('upgrade', (request, stream, head) => {
  const socket = stream as Socket;
  const key = `${request.headers['sec-websocket-key'] ?? ''}${WEBSOCKET_GUID}`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.setNoDelay(true);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  serve(socket, true);
});
tcp.listen(0, '127.0.0.1', () => {
  http.listen(0, '127.0.0.1', () => {
    const portOf = (address: AddressInfo | string | null): number => (address as AddressInfo).port;
    serveParent({ tcpPort: portOf(tcp.address()), httpPort: portOf(http.address()) });
  });
});
