/** What application code sees of a session: handlers, interceptors, events and the user registry. Implemented by Session. */
import type { StompVersion } from '../../protocol/index.js';
import type { Principal, TransportName } from '../ports.js';

export interface SessionHandle {
  readonly id: string;
  /** Null until CONNECTED. */
  readonly user: Principal | null;
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly version: StompVersion;
  /** The application's own notes on this session, gone with it. */
  readonly attributes: Map<string, unknown>;
  readonly subscriptionList: readonly SubscriptionHandle[];
  /** Says goodbye: what is queued is written, then the connection closes. */
  disconnect(): void;
}

export interface SubscriptionHandle {
  /** Null on 1.0 without an id. */
  readonly id: string | null;
  /** As the client wrote it, `/user/…` included. */
  readonly destination: string;
  readonly session: SessionHandle;
}
