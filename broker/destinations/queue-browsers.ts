/** The browsers of one queue, by their subscriptions. */
import type { Subscription } from '../subscription.js';
import type { TurnBudget } from '../turn-budget.js';
import { QueueBrowser, type BrowsedQueue } from './queue-browser.js';

export class QueueBrowsers {
  /** Null while there are none: few queues are ever looked into. */
  #bySubscription: Map<Subscription, QueueBrowser> | null = null;

  get isEmpty(): boolean {
    return this.#bySubscription === null;
  }

  /** @param endId newer than all that are to be shown */
  add(subscription: Subscription, queue: BrowsedQueue, endId: number, turns: TurnBudget): void {
    const browser = new QueueBrowser(subscription, queue, endId, turns);
    (this.#bySubscription ??= new Map()).set(subscription, browser);
    browser.start();
  }

  remove(subscription: Subscription): void {
    const browsers = this.#bySubscription;
    browsers?.get(subscription)?.end();
    if (browsers?.delete(subscription) === true && browsers.size === 0) this.#bySubscription = null;
  }
}
