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
  /** Octets received and not taken on: a part of a frame, what waits to be read, open transactions. */
  readonly inputBytes: number;
  /** Octets of what it was sent and has not acknowledged, near enough. */
  readonly unsettledBytes: number;
  /** Messages that wait and may give way do so, and are counted. */
  giveWay(): void;
  /** Memory is short, and so much is held for it: it is told if it reads, and ended. */
  endForMemory(heldBytes: number): void;
}
