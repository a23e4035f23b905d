/**
 * A gateway: clients of another protocol on the application's HTTP server, each with an ordinary session of the broker
 * (DESIGN D12). This is what a gateway has to be, and what it is given.
 */
import type { Server } from 'node:http';
import type { SessionHandle } from '../../broker/application/session-handle.js';
import type { AcceptConnection, Authenticator, Clock, Logger } from '../../broker/ports.js';
import type { AttachedEndpoints } from '../transports/index.js';

export interface GatewayHost {
  /** The broker's front door: what every transport calls for a new connection, and asks before it. */
  readonly accept: AcceptConnection;
  /** The one that CONNECT asks, for gateways that refuse at the handshake. */
  readonly authenticator: Authenticator;
  /** A session that is open, by its id. */
  readonly session: (id: string) => SessionHandle | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Gateway {
  /**
   * Takes its paths on a server.
   * @throws TypeError for a path that is none; Error when it is attached already
   */
  attach(server: Server, host: GatewayHost): AttachedEndpoints;
}
