/** The subscriptions of one session, by the key that names them there and by the number in front of their ack ids. */
import { patternWeight } from './destinations/pattern.js';
import type { Subscription } from './subscription.js';

export class SubscriptionTable {
  /** Null until the first: a session that only sends has none. */
  #byKey: Map<string, Subscription> | null = null;
  /** Those in the client ack modes. */
  #byNumber: Map<number, Subscription> | null = null;
  #lastNumber = 0;
  /** Whether one in the client ack modes has ended. */
  #hasLeftAcks = false;
  #selectorBytes = 0;
  #patternBytes = 0;
  readonly #separator: string;

  /** @param separator of destinations */
  constructor(separator: string) {
    this.#separator = separator;
  }

  get size(): number {
    return this.#byKey?.size ?? 0;
  }

  /** Length of all selectors. */
  get selectorBytes(): number {
    return this.#selectorBytes;
  }

  /** Of all patterns: patternWeight. */
  get patternBytes(): number {
    return this.#patternBytes;
  }

  /** Whether anything was delivered that is not acknowledged. */
  get awaitsAcks(): boolean {
    for (const { pending } of this.values()) if (pending !== null && pending.size > 0) return true;
    return false;
  }

  /** Octets of it, near enough. */
  get unsettledBytes(): number {
    let bytes = 0;
    for (const { pending } of this.values()) bytes += pending?.bytes ?? 0;
    return bytes;
  }

  /** Numbers are never used again, so that an ack of an ended subscription finds nothing. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  add(key: string, subscription: Subscription): void {
    (this.#byKey ??= new Map()).set(key, subscription);
    this.#selectorBytes += subscription.selector?.bytes ?? 0;
    this.#patternBytes += patternWeight(subscription.destination, this.#separator);
    if (subscription.pending !== null) (this.#byNumber ??= new Map()).set(subscription.number, subscription);
  }

  get(key: string): Subscription | undefined {
    return this.#byKey?.get(key);
  }

  ofAck(ackId: string): Subscription | undefined {
    return this.#byNumber?.get(Number.parseInt(ackId, 10));
  }

  /** Whether an ACK can be late: for the subscription of this number, or without one for any, that has ended. */
  hasEnded(number?: number): boolean {
    if (!this.#hasLeftAcks || number === undefined) return this.#hasLeftAcks;
    if (number < 1 || number > this.#lastNumber) return false;
    for (const subscription of this.values()) if (subscription.number === number) return false;
    return true;
  }

  /** By its number; null when there is none. */
  find(number: number): readonly [key: string, subscription: Subscription] | null {
    for (const entry of this.#byKey ?? []) if (entry[1].number === number) return entry;
    return null;
  }

  values(): Iterable<Subscription> {
    return this.#byKey?.values() ?? [];
  }

  remove(key: string): Subscription | undefined {
    const subscription = this.#byKey?.get(key);
    if (subscription === undefined) return undefined;
    this.#byKey?.delete(key);
    this.#selectorBytes -= subscription.selector?.bytes ?? 0;
    this.#patternBytes -= patternWeight(subscription.destination, this.#separator);
    if (this.#byNumber?.delete(subscription.number) === true) this.#hasLeftAcks = true;
    return subscription;
  }

  /** Empties the table and returns what was in it. */
  takeAll(): readonly Subscription[] {
    const all = [...this.values()];
    this.#byKey = null;
    this.#byNumber = null;
    this.#selectorBytes = 0;
    this.#patternBytes = 0;
    return all;
  }
}
