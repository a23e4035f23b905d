/** How the events of a Socket.IO application stand for what a broker does. */
import type { SessionHandle } from '../../../broker/application/session-handle.js';
import type { Handshake, Principal } from '../../../broker/ports.js';
import type { GatewayMessage, SessionAction, StandingSubscription } from '../gateway-session.js';
import type { SocketIoServer } from './socketio-server.js';

export interface SocketIoClient {
  readonly user: Principal;
  readonly session: SessionHandle;
  readonly handshake: Handshake;
}

/** What an event of the client means: a room is a destination that it is subscribed to. */
export type SocketIoAction = SessionAction;

export interface SocketIoEvent {
  readonly event: string;
  readonly args: readonly unknown[];
}

export interface SocketIoMapping {
  /**
   * By name of the event: what it means; undefined is nothing. When the client gave a function as the last argument, that
   * is called with `{ status: 'ok' }` once all has taken effect, or `{ status: 'error', code, message }`; else a refusal is
   * only counted and logged.
   * @throws Error of whatever kind for arguments that do not fit: its message is the client's to read
   */
  readonly events: Readonly<
    Record<
      string,
      (
        client: SocketIoClient,
        ...args: readonly unknown[]
      ) => SocketIoAction | readonly SocketIoAction[] | undefined | Promise<SocketIoAction | undefined>
    >
  >;
  /** What each client is subscribed to from the beginning. */
  readonly subscriptions?: ((client: SocketIoClient) => readonly StandingSubscription[]) | undefined;
  /** What a MESSAGE is to the client; undefined: nothing. */
  readonly render: (message: GatewayMessage, client: SocketIoClient) => SocketIoEvent | undefined;
}

export interface SocketIoOptions {
  /** Not attached yet; its `path`, `cors` and the rest are the application's. */
  readonly io: SocketIoServer;
  readonly mapping: SocketIoMapping;
  /** Believe `X-Forwarded-For`: in the connection log, and where addresses have quotas. Default false. */
  readonly trustProxy?: boolean | undefined;
}
