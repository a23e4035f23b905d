/** One destination as the router knows it: its kind, decided once, and who is subscribed to it (DESIGN D1). */
import type { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';

export type DestinationKind =
  | 'topic'
  | 'queue'
  | 'app'
  | 'user'
  | 'temporary'
  | 'reply'
  | 'relayed'
  /** What the server alone publishes to. */
  | 'server'
  | 'unknown';

export interface Route {
  readonly destination: string;
  readonly kind: DestinationKind;
  /** Whether a message may be published as it is: what leads to handlers or users has to be decoded first. */
  readonly isDirect: boolean;
  /** Subscriptions to this very destination. */
  readonly subscriberCount: number;
  /** Nothing would be lost if the route were forgotten. */
  readonly isIdle: boolean;
  /** False once the router has forgotten it: whoever remembers it must look it up again. */
  isLive: boolean;
  /**
   * Takes a message on.
   * @param unit what has to be stored for it goes there; null for a message that asks for nothing, on a direct route
   * @throws BrokerError `queue-full`, `header-invalid`
   */
  publish(message: Message, unit: WriteUnit | null): void;
  add(subscription: Subscription): void;
  /** Ends a subscription: nothing more is delivered to it, and what it holds unsettled goes back. */
  remove(subscription: Subscription): void;
}
