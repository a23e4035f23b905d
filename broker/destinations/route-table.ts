/**
 * Routes by destination. Publishers may name any number of destinations, and sessions come and go with their own: of those
 * that nobody is subscribed to a bounded number is remembered, and the one remembered longest is forgotten first. Each
 * change costs the same, however many there are: a sweep over a million would stop the event loop.
 */
import { OldestFirstMap } from '../oldest-first-map.js';
import type { Route } from './route.js';

/** Looked at for each that is added: more than one, or those that hold something would add up in front of the others. */
const LOOKS = 2;
/** Where a queue more is wanted than there may be: each try looks further. */
const QUEUE_LOOKS = 16;

export class RouteTable {
  readonly #maxUnsubscribed: number;
  readonly #routes = new Map<string, Route>();
  #queues = 0;
  /** Without a subscriber. Some of them hold messages. */
  readonly #unsubscribed = new OldestFirstMap<string, Route>();

  /** @param maxUnsubscribed remembered without a subscriber; those that hold something are not forgotten, however many */
  constructor(maxUnsubscribed: number) {
    // The newest stays: it was made to be used.
    this.#maxUnsubscribed = Math.max(1, maxUnsubscribed);
  }

  get size(): number {
    return this.#routes.size;
  }

  /** Of these, the ones for one consumer each. */
  get queueCount(): number {
    return this.#queues;
  }

  /** In the order they were made; live. */
  values(): IterableIterator<Route> {
    return this.#routes.values();
  }

  get(destination: string): Route | undefined {
    return this.#routes.get(destination);
  }

  /** A new route, without subscriber yet. */
  add(route: Route): void {
    this.#routes.set(route.destination, route);
    if (route.kind === 'queue') this.#queues++;
    this.#release(route);
  }

  /** It has a subscriber now. */
  hold(route: Route): void {
    this.#unsubscribed.delete(route.destination);
  }

  /** A subscriber has gone. */
  unsubscribed(route: Route): void {
    if (route.subscriberCount === 0 && this.#routes.get(route.destination) === route) this.#release(route);
  }

  /** Whether there are fewer queues than so many, or can be: some of those without a subscriber are looked at. */
  hasRoomForQueue(maxQueues: number): boolean {
    for (let k = 0; k < QUEUE_LOOKS && this.#queues >= maxQueues; k++) this.#forgetOldest();
    return this.#queues < maxQueues;
  }

  /** Forgets all that hold nothing. */
  forgetIdle(): void {
    for (const route of [...this.#unsubscribed.values()]) if (route.isIdle) this.#forget(route);
  }

  #release(route: Route): void {
    this.#unsubscribed.set(route.destination, route);
    for (let k = 0; k < LOOKS && this.#unsubscribed.size > this.#maxUnsubscribed; k++) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [destination, route] = this.#unsubscribed.oldest ?? [];
    if (destination === undefined || route === undefined) return;
    if (route.isIdle) {
      this.#forget(route);
      return;
    }
    // What it holds may be gone the next time.
    this.#unsubscribed.delete(destination);
    this.#unsubscribed.set(destination, route);
  }

  #forget(route: Route): void {
    route.isLive = false;
    this.#unsubscribed.delete(route.destination);
    this.#routes.delete(route.destination);
    if (route.kind === 'queue') this.#queues--;
  }
}
