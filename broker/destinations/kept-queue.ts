/** A queue as those see it who publish to it and subscribe to it: of this node alone, or of all nodes. */
import type { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { Route } from './route.js';

export interface KeptQueue extends Route, MessageSource {
  /** Those that take messages, in the order they came. */
  readonly subscriptions: readonly Subscription[];
  /** As `publish`, of a message whose terms are set. @throws BrokerError `queue-full` */
  take(message: Message, unit: WriteUnit | null): void;
  /** @throws BrokerError `queue-full` when so much more could not be kept */
  checkRoom(messages: number, bytes: number): void;
  /** Nobody wants it any more: what it holds is forgotten, and what is still asked of it comes to nothing. */
  close(): void;
}
