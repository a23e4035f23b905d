/**
 * A destination of which nothing is kept: outside every prefix in compat `spring` (Spring S4.1), `/app` without a handler,
 * and `/user` when nothing is resolved. What is published there is dropped and counted.
 */
import type { BrokerStats } from '../stats.js';
import type { Route } from './route.js';

export class UnkeptRoute implements Route {
  readonly destination = '';
  readonly kind: 'app' | 'user' | 'unknown';
  readonly isDirect: boolean;
  readonly subscriberCount = 0;
  readonly isIdle = true;
  /** Never remembered by anybody: a destination's prefix is cheap to test again. */
  isLive = false;
  readonly #stats: BrokerStats;

  constructor(kind: 'app' | 'user' | 'unknown', stats: BrokerStats) {
    this.kind = kind;
    this.isDirect = kind === 'unknown';
    this.#stats = stats;
  }

  publish(): void {
    this.#stats.messagesDropped++;
  }

  add(): void {
    // The id stays taken on the session, so that UNSUBSCRIBE finds it; no message will ever come.
  }

  remove(): void {
    // See add.
  }
}
