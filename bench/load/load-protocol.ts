/** What clients of the load speak: how they are let in, subscribe and publish. One implementation for STOMP, one for Socket.IO. */
import type { LoadConnection } from './load-connection.js';

export const PROTOCOLS = ['stomp-tcp', 'stomp-websocket', 'stomp-sockjs', 'socket.io'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

/** Where a load goes. Crosses a process boundary: plain data. */
export interface LoadTarget {
  readonly protocol: ProtocolName;
  readonly port: number;
  /** Other nodes, at which the subscribers are, by turns; left out where they are at `port` too. */
  readonly subscriberPorts?: readonly number[];
  /** Of the HTTP upgrade; what TCP leaves aside. */
  readonly path: string;
  /** False: SUBSCRIBE is not answered, so that subscriptions are known to be there by their messages alone. */
  readonly hasReceipts: boolean;
}

export interface LoadProtocol {
  /** A connection that the server has let in. @param user name, where the scenario has users */
  open(user?: string): Promise<LoadConnection>;
  /**
   * Resolves when the server has it, as far as it tells.
   * @param id of the subscription, where the protocol has one; default `sub-0`, as the first of @stomp/stompjs
   */
  subscribe(connection: LoadConnection, destination: string, id?: string): Promise<void>;
  /** Octets of one message; those of several can be put behind one another. */
  publish(destination: string, body: string): Buffer;
  /** What keeps a connection alive on which nothing is sent; null where the server asks for nothing. */
  readonly heartBeat: Buffer | null;
}
