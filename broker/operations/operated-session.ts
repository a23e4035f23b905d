/** A session as operators see and steer it. Implemented by Session. */
import type { RegisteredSession } from '../session-registry.js';
import type { SessionDetails } from './details.js';

export interface OperatedSession extends RegisteredSession, SessionDetails {
  /** Ends one of its subscriptions, which its client did not ask for. @returns false when there is none of that number */
  revokeSubscription(number: number): boolean;
  /** It is to end soon: queues give it nothing more, and who holds nothing is not read from. What it holds it may settle. */
  retire(): void;
  /** There are deliveries without their ACK, open transactions, RECEIPTs that it waits for, or a handler at work. */
  readonly hasUnfinished: boolean;
}
