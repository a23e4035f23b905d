/** From the name of a protocol to its implementation, and many clients at once. */
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import { SocketIoProtocol } from './socket-io-protocol.js';
import { StompProtocol } from './stomp-protocol.js';
import { sockJsWire, tcpWire, webSocketWire } from './wires.js';

/** Connections under way at a time: below the backlog of a listening socket. */
const AT_ONCE = 100;

export function openProtocol(target: LoadTarget): LoadProtocol {
  switch (target.protocol) {
    case 'stomp-tcp':
      return new StompProtocol(target, tcpWire);
    case 'stomp-websocket':
      return new StompProtocol(target, webSocketWire);
    case 'stomp-sockjs':
      return new StompProtocol(target, sockJsWire);
    case 'socket.io':
      return new SocketIoProtocol(target);
  }
}

/** The protocol at the node of the publishers, and at each node of the subscribers; the same one where that is one node. */
export function openPlaces(target: LoadTarget): {
  readonly publishing: LoadProtocol;
  readonly subscribing: readonly LoadProtocol[];
} {
  const publishing = openProtocol(target);
  const subscribing = target.subscriberPorts?.map((port) =>
    port === target.port ? publishing : openProtocol({ ...target, port }),
  );
  return { publishing, subscribing: subscribing ?? [publishing] };
}

/** `count` connections by `open`, a hundred at a time; in the order of their numbers. */
export async function openMany(
  count: number,
  open: (index: number) => Promise<LoadConnection>,
): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const length = Math.min(AT_ONCE, count - from);
    connections.push(...(await Promise.all(Array.from({ length }, (_, k) => open(from + k)))));
  }
  return connections;
}
