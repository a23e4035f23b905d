/** A session as its pieces see it: each holds one reference, as a hundred thousand sessions may be idle. Implemented by Session. */
import type { SessionHandle } from '../application/session-handle.js';
import type { Outbox } from '../outbox.js';
import type { Connection } from '../ports.js';
import type { SessionEnvironment } from '../session-environment.js';

export interface OwnSession extends SessionHandle {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly environment: SessionEnvironment;
}
