/**
 * All durable subscriptions of the node: found by key when a client comes back, by topic when a message is published, and
 * deleted when nobody has come for too long. With a store they outlive the process.
 */
import { BrokerError } from '../errors.js';
import { quoteInput } from '../../protocol/index.js';
import { Selector } from '../selector/selector.js';
import type { Logger, StoredLane, StoredRecord, StoreOperation } from '../ports.js';
import type { Subscription } from '../subscription.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { QueueOptions } from '../queue-options.js';
import { DurableSubscription, type DurableSpec } from './durable-subscription.js';
import { Queue, type QueueParts } from './queue.js';
import type { DurableBindings } from './topic.js';
import { QueueTimer } from './queue-timer.js';
import { SubscriptionIndex } from './subscription-index.js';

export interface DurableSubscriptionsSettings {
  readonly separator: string;
  /** Of the queue of each. */
  readonly queue: QueueOptions;
  readonly maxSubscriptions: number;
  /** Longest selector, in octets. */
  readonly maxSelectorBytes: number;
}

/** What precedes the key in the names of streams and records. */
export const DURABLE_PREFIX = 'durable:';
const SWEEP_EVERY_MS = 60_000;

/** A durable subscription as its record has it. */
interface Recorded {
  readonly destination: string;
  readonly isShared: boolean;
  readonly selector: string | null;
  readonly expireAfterMs: number;
  readonly idleSinceEpochMs: number;
}

export class DurableSubscriptions implements DurableBindings {
  readonly #settings: DurableSubscriptionsSettings;
  readonly #parts: QueueParts;
  readonly #logger: Logger;
  readonly #byKey = new Map<string, DurableSubscription>();
  readonly #byTopic: SubscriptionIndex<DurableSubscription>;
  readonly #sweeper = new QueueTimer(() => {
    this.#sweep();
  });

  constructor(settings: DurableSubscriptionsSettings, parts: QueueParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#logger = parts.logger;
    this.#byTopic = new SubscriptionIndex(settings.separator);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Changes whenever `matching` could. */
  get version(): number {
    return this.#byTopic.version;
  }

  get epochMs(): number {
    return this.#parts.clock.epochMs();
  }

  /** Those that a topic's messages are for. */
  matching(topic: string): readonly DurableSubscription[] {
    return this.#byTopic.match(topic);
  }

  /** Of clients that are there, to this very topic. */
  subscriptionsTo(topic: string): Subscription[] {
    return this.matching(topic).flatMap(({ spec, queue }) => (spec.destination === topic ? queue.subscriptions : []));
  }

  get(key: string): DurableSubscription | undefined {
    return this.#byKey.get(key);
  }

  /**
   * Makes the subscription, when there is none of this key. One whose destination or selector is another is replaced, with
   * what it kept (JMS: changing either is as deleting it and making a new one).
   * @param unit what has to be stored goes there; messages reach it once that is done
   * @throws BrokerError `limit-exceeded`, `subscription-exists` when the other one is in use
   */
  prepare(spec: DurableSpec, unit: WriteUnit): void {
    const present = this.#byKey.get(spec.key);
    if (present !== undefined) {
      const isSame =
        present.spec.destination === spec.destination && present.spec.selector?.text === spec.selector?.text;
      if (present.queue.subscriberCount > 0 && !(isSame && spec.isShared)) {
        throw new BrokerError(
          'subscription-exists',
          `The durable subscription to ${quoteInput(present.spec.destination, 120)} is in use`,
        );
      }
      if (isSame) return;
      this.#record(unit, { kind: 'drop', stream: DURABLE_PREFIX + spec.key });
      unit.then(() => {
        this.#forget(present);
      });
    } else if (this.#byKey.size >= this.#settings.maxSubscriptions) {
      const limit = this.#settings.maxSubscriptions;
      throw new BrokerError('limit-exceeded', `${limit} durable subscriptions on this server is the limit`);
    }
    const made = new DurableSubscription(spec, this.#makeQueue(spec), this.#parts.clock.epochMs());
    this.#record(unit, this.#recordOf(made));
    unit.then(() => {
      this.#enter(made);
    });
  }

  /** A client's subscription takes its messages. @param key of one that was prepared */
  attach(subscription: Subscription, key: string): void {
    const durable = this.#byKey.get(key);
    if (durable === undefined) return;
    durable.idleSinceEpochMs = 0;
    durable.queue.add(subscription);
  }

  /** The client's subscription ends; the durable one lives on. */
  detach(subscription: Subscription, key: string): void {
    const durable = this.#byKey.get(key);
    if (durable === undefined || subscription.source !== durable.queue) return;
    durable.queue.remove(subscription);
    if (durable.queue.subscriberCount > 0) return;
    durable.idleSinceEpochMs = this.#parts.clock.epochMs();
    this.#parts.journal?.owe(this.#recordOf(durable));
    this.#watch();
  }

  /** Deletes it with everything it keeps, at once. @returns false when there is none of this key */
  delete(key: string, unit: WriteUnit): boolean {
    const durable = this.#byKey.get(key);
    if (durable === undefined) return false;
    this.#forget(durable);
    this.#record(unit, { kind: 'drop', stream: DURABLE_PREFIX + key });
    this.#record(unit, { kind: 'delete', key: DURABLE_PREFIX + key });
    return true;
  }

  #forget(durable: DurableSubscription): void {
    this.#byKey.delete(durable.spec.key);
    this.#byTopic.remove(durable.spec.destination, durable);
    durable.queue.close();
  }

  #record(unit: WriteUnit, operation: StoreOperation): void {
    if (this.#parts.journal !== null) unit.add(operation);
  }

  /**
   * What the store held when it was opened.
   * @param streams all lanes, by stream
   */
  restore(streams: ReadonlyMap<string, readonly StoredLane[]>, records: readonly StoredRecord[]): void {
    for (const { key: name, value } of records) {
      if (!name.startsWith(DURABLE_PREFIX)) continue;
      const recorded = JSON.parse(value) as Recorded;
      const selector =
        recorded.selector === null ? null : new Selector(recorded.selector, this.#settings.maxSelectorBytes);
      const spec: DurableSpec = { ...recorded, selector, key: name.slice(DURABLE_PREFIX.length) };
      const queue = this.#makeQueue(spec);
      queue.restore(streams.get(name) ?? []);
      // Nobody is there yet; after a crash the record may still say that somebody is.
      const idleSinceEpochMs = recorded.idleSinceEpochMs || this.#parts.clock.epochMs();
      this.#enter(new DurableSubscription(spec, queue, idleSinceEpochMs));
    }
    // A message may have been on its way to one that was deleted.
    for (const stream of streams.keys()) {
      const isLeft = stream.startsWith(DURABLE_PREFIX) && !this.#byKey.has(stream.slice(DURABLE_PREFIX.length));
      if (isLeft) this.#parts.journal?.owe({ kind: 'drop', stream });
    }
  }

  #makeQueue({ key, destination }: DurableSpec): Queue {
    return new Queue(destination, this.#settings.queue, this.#parts, DURABLE_PREFIX + key);
  }

  #enter(durable: DurableSubscription): void {
    this.#byKey.set(durable.spec.key, durable);
    this.#byTopic.add(durable.spec.destination, durable);
    this.#watch();
  }

  #recordOf({ spec, idleSinceEpochMs }: DurableSubscription): StoreOperation {
    const { key, destination, isShared, expireAfterMs } = spec;
    const selector = spec.selector?.text ?? null;
    const recorded: Recorded = { destination, isShared, selector, expireAfterMs, idleSinceEpochMs };
    return { kind: 'put', key: DURABLE_PREFIX + key, value: JSON.stringify(recorded), expiresEpochMs: 0 };
  }

  #watch(): void {
    if (this.#sweeper.wheelSlot < 0)
      this.#parts.wheel.schedule(this.#sweeper, this.#parts.clock.nowMs() + SWEEP_EVERY_MS);
  }

  #sweep(): void {
    const epochMs = this.#parts.clock.epochMs();
    for (const [key, { spec, idleSinceEpochMs }] of this.#byKey) {
      if (idleSinceEpochMs === 0 || idleSinceEpochMs + spec.expireAfterMs > epochMs) continue;
      this.#logger.info({ destination: spec.destination }, 'a durable subscription expired');
      const unit = new WriteUnit(this.#parts.journal, { isRetried: true });
      this.delete(key, unit);
      unit.submit()?.catch(() => undefined);
    }
    if (this.#byKey.size > 0) this.#watch();
  }
}
