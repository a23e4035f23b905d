/** A session as operators see and steer it. Implemented by Session. */
import type { RegisteredSession } from '../session-registry.js';
import type { SessionDetails } from './details.js';

export interface OperatedSession extends RegisteredSession, SessionDetails {
  /** Ends one of its subscriptions, which its client did not ask for. @returns false when there is none of that number */
  revokeSubscription(number: number): boolean;
}
