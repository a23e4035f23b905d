/**
 * All durable subscriptions of the node: found by key when a client comes back, by topic when a message is published, and
 * deleted when nobody has come for too long. With a store they outlive the process.
 */
import { BrokerError } from '../errors.js';
import { quoteInput } from '../../protocol/index.js';
import { Selector } from '../selector/selector.js';
import type { Logger, SharedOperation, StoredLane, StoredRecord, StoreOperation } from '../ports.js';
import type { Subscription } from '../subscription.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { QueueOptions } from '../queue-options.js';
import { DurableSubscription, type DurableBinding, type DurableSpec } from './durable-subscription.js';
import type { KeptQueue } from './kept-queue.js';
import { Queue, type QueueParts } from './queue.js';
import type { DurableBindings } from './topic.js';
import { WheelTimer } from '../wheel-timer.js';
import { SubscriptionIndex } from './subscription-index.js';

export interface DurableSubscriptionsSettings {
  readonly separator: string;
  /** Of the queue of each. */
  readonly queue: QueueOptions;
  readonly maxSubscriptions: number;
  /** Longest selector, in octets. */
  readonly maxSelectorBytes: number;
  readonly createQueue: (destination: string, stream: string, options: QueueOptions) => KeptQueue;
}

/** What precedes the key in the names of streams and records. */
export const DURABLE_PREFIX = 'durable:';
/** A record beside those of a shared store: while it is there, what has no record has been deleted. */
const MARK = 'durables';
const MARK_AND_RECORDS = 'durable';
const MARKING: StoreOperation = { kind: 'put', key: MARK, value: '1', expiresEpochMs: 0 };
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
  /** Keys of those that are gone here and may still be in the store. */
  readonly #deleting = new Set<string>();
  /** The last look at the store; never rejects. */
  #looked: Promise<unknown> = Promise.resolve();
  /** Null: there are no other nodes. */
  #confirmWith: ((binding: DurableBinding) => Promise<void>) | null = null;
  readonly #sweeper = new WheelTimer(() => {
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
      this.#record(unit, this.#dropOf(spec.key));
      unit.then(() => {
        if (this.#byKey.get(spec.key) === present) this.#forget(present);
      });
    } else if (this.#byKey.size >= this.#settings.maxSubscriptions) {
      const limit = this.#settings.maxSubscriptions;
      throw new BrokerError('limit-exceeded', `${limit} durable subscriptions on this server is the limit`);
    }
    const made = new DurableSubscription(spec, this.#makeQueue(spec), this.#parts.clock.epochMs());
    this.#record(unit, this.#recordOf(made));
    if (this.#isShared) this.#record(unit, MARKING);
    this.#announce(unit, spec.key);
    unit.then(() => {
      // In a cluster the word of it may have come back before.
      const current = this.#byKey.get(spec.key);
      if (current === undefined || current === present) this.#enter(made);
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
    this.#record(unit, this.#dropOf(key));
    this.#record(unit, { kind: 'delete', key: DURABLE_PREFIX + key });
    this.#deleting.add(key);
    const done = (): void => {
      this.#deleting.delete(key);
    };
    unit.then(done, done);
    this.#announce(unit, key);
    return true;
  }

  #forget(durable: DurableSubscription): void {
    this.#byKey.delete(durable.spec.key);
    this.#byTopic.remove(durable.spec.destination, durable);
    durable.queue.close();
  }

  #dropOf(key: string): SharedOperation {
    const stream = DURABLE_PREFIX + key;
    return this.#isShared ? { kind: 'queue-drop', stream } : { kind: 'drop', stream };
  }

  /** Other nodes are to look at it. */
  #announce(unit: WriteUnit, key: string): void {
    if (this.#isShared) this.#record(unit, { kind: 'announce', name: DURABLE_PREFIX + key });
  }

  get #isShared(): boolean {
    return this.#parts.journal?.isShared === true;
  }

  /** Another node, or this one, has made, changed or deleted what was announced. */
  onAnnounced(name: string): void {
    if (!name.startsWith(DURABLE_PREFIX)) return;
    // It cannot be reached: then everything is looked at once it can.
    this.#look(name.slice(DURABLE_PREFIX.length)).catch(() => undefined);
  }

  /** Resolves when what was asked of the store so far is known here, or could not be had. Never rejects. */
  learned(): Promise<unknown> {
    return this.#looked;
  }

  /** Announcements may have been missed. */
  lookAgain(): void {
    const before = [...this.#byKey];
    this.#inTurn(this.#parts.journal?.records(MARK_AND_RECORDS), (all = []) => {
      const records = all.filter(({ key }) => key.startsWith(DURABLE_PREFIX));
      const keys = new Set(records.map(({ key }) => key.slice(DURABLE_PREFIX.length)));
      for (const { key, value } of records) this.#take(key.slice(DURABLE_PREFIX.length), value);
      // Of one that was made since, this answer knows nothing.
      const missing = before.filter(([key, durable]) => !keys.has(key) && this.#byKey.get(key) === durable);
      if (all.some(({ key }) => key === MARK)) for (const [key] of missing) this.#take(key, null);
      else this.#recordAgain(missing);
    }).catch(() => undefined);
  }

  /** The store has lost what it had: those that nodes know live on, without what they kept. */
  #recordAgain(missing: readonly (readonly [string, DurableSubscription])[]): void {
    const { journal } = this.#parts;
    if (journal === null || missing.length === 0) return;
    this.#logger.warn(
      { count: missing.length },
      'the store has lost durable subscriptions: they are made again, empty',
    );
    for (const [, durable] of missing) journal.owe(this.#recordOf(durable));
    journal.owe(MARKING);
    // Other nodes may not have known all of them.
    for (const [key] of missing) journal.owe({ kind: 'announce', name: DURABLE_PREFIX + key });
  }

  /** @param confirm has every other node learn of one, before its RECEIPT */
  joinNodes(confirm: (binding: DurableBinding) => Promise<void>): void {
    this.#confirmWith = confirm;
  }

  /**
   * Before the RECEIPT of a SUBSCRIBE, once it is stored: what any node publishes from then on reaches it.
   * @returns undefined when there is nothing to wait for; what rejects as `DurableConfirmations.confirm`
   */
  confirm(key: string): Promise<void> | undefined {
    const durable = this.#byKey.get(key);
    if (this.#confirmWith === null || durable === undefined || durable.isConfirmed) return undefined;
    const { destination, selector } = durable.spec;
    return this.#confirmWith({ key, destination, selector: selector?.text ?? null }).then(() => {
      durable.isConfirmed = true;
    });
  }

  /** Another node has made it, or takes it up. @throws BrokerError `store-failed` when this node cannot learn of it now */
  async learn({ key, destination, selector }: DurableBinding): Promise<void> {
    // What was asked before may say that it is gone.
    await this.#looked;
    const { spec } = this.#byKey.get(key) ?? {};
    if (spec?.destination === destination && (spec.selector?.text ?? null) === selector) return;
    await this.#look(key);
    if (this.#deleting.has(key)) throw new BrokerError('store-failed', 'It is being deleted here');
  }

  #look(key: string): Promise<void> {
    return this.#inTurn(this.#parts.journal?.record(DURABLE_PREFIX + key), (record) => {
      this.#take(key, record?.value ?? null);
    });
  }

  /** The store answers in the order of asking; what it said is taken in that order too, the older never behind the newer. */
  #inTurn<T>(asked: Promise<T> | undefined, take: (answer: T | undefined) => void): Promise<void> {
    const before = this.#looked;
    const taken = Promise.allSettled([asked, before]).then(([answer]) => {
      if (answer.status === 'rejected') throw answer.reason;
      take(answer.value);
    });
    this.#looked = taken.catch(() => undefined);
    return taken;
  }

  /** What the store has of one. @param value null: it was deleted */
  #take(key: string, value: string | null): void {
    const present = this.#byKey.get(key);
    if (value === null) {
      if (present !== undefined) this.#forget(present);
      return;
    }
    // What the store said may be older than what was asked of it.
    if (this.#deleting.has(key)) return;
    const recorded = JSON.parse(value) as Recorded;
    const { destination, selector } = recorded;
    if (present?.spec.destination === destination && (present.spec.selector?.text ?? null) === selector) {
      if (present.queue.subscriberCount === 0 && recorded.idleSinceEpochMs > present.idleSinceEpochMs) {
        present.idleSinceEpochMs = recorded.idleSinceEpochMs;
        present.isDoomed = false;
      }
      return;
    }
    if (present !== undefined) this.#forget(present);
    this.#enter(this.#fromRecord(key, recorded));
  }

  #fromRecord(key: string, recorded: Recorded): DurableSubscription {
    const { maxSelectorBytes } = this.#settings;
    const selector = recorded.selector === null ? null : new Selector(recorded.selector, maxSelectorBytes);
    const spec: DurableSpec = { ...recorded, selector, key };
    // Nobody is there yet; after a crash the record may still say that somebody is.
    const idleSinceEpochMs = recorded.idleSinceEpochMs || this.#parts.clock.epochMs();
    return new DurableSubscription(spec, this.#makeQueue(spec), idleSinceEpochMs);
  }

  #record(unit: WriteUnit, operation: SharedOperation): void {
    if (this.#parts.journal !== null) unit.add(operation);
  }

  /**
   * What the store held when it was opened.
   * @param streams all lanes, by stream
   */
  restore(streams: ReadonlyMap<string, readonly StoredLane[]>, records: readonly StoredRecord[]): void {
    for (const { key: name, value } of records) {
      if (!name.startsWith(DURABLE_PREFIX)) continue;
      const key = name.slice(DURABLE_PREFIX.length);
      // In a cluster the word of it may have come before.
      if (this.#byKey.has(key)) continue;
      const durable = this.#fromRecord(key, JSON.parse(value) as Recorded);
      if (durable.queue instanceof Queue) durable.queue.restore(streams.get(name) ?? []);
      this.#enter(durable);
    }
    // A message may have been on its way to one that was deleted.
    for (const stream of streams.keys()) {
      const isLeft = stream.startsWith(DURABLE_PREFIX) && !this.#byKey.has(stream.slice(DURABLE_PREFIX.length));
      if (isLeft) this.#parts.journal?.owe({ kind: 'drop', stream });
    }
  }

  #makeQueue({ key, destination }: DurableSpec): KeptQueue {
    return this.#settings.createQueue(destination, DURABLE_PREFIX + key, this.#settings.queue);
  }

  #enter(durable: DurableSubscription): void {
    this.#byKey.set(durable.spec.key, durable);
    this.#byTopic.add(durable.spec.destination, durable);
    this.#watch();
  }

  #recordOf(durable: DurableSubscription, idleSinceEpochMs = durable.idleSinceEpochMs): StoreOperation {
    const { spec } = durable;
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
    for (const [key, durable] of this.#byKey) {
      const { spec, idleSinceEpochMs, queue } = durable;
      // Other nodes do not see who is here.
      if (this.#isShared && queue.subscriberCount > 0) this.#parts.journal?.owe(this.#recordOf(durable, epochMs));
      if (idleSinceEpochMs === 0 || idleSinceEpochMs + spec.expireAfterMs > epochMs) continue;
      if (this.#isShared && !durable.isDoomed) {
        // Another node may have seen its client since: it is looked up before the next sweep.
        durable.isDoomed = true;
        this.onAnnounced(DURABLE_PREFIX + key);
        continue;
      }
      this.#logger.info({ destination: spec.destination }, 'a durable subscription expired');
      const unit = new WriteUnit(this.#parts.journal, { isRetried: true });
      this.delete(key, unit);
      unit.submit()?.catch(() => undefined);
    }
    if (this.#byKey.size > 0) this.#watch();
  }
}
