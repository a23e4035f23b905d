/**
 * What one queue keeps: the messages that wait for a consumer, in their order, and those that wait for their time. Timers of
 * delays and times to live are here, and the way to the pages that are in the store alone; who gets what is not.
 */
import type { OperatedMessages } from '../operations/queue-operations.js';
import type { Clock, Logger, StoredLane } from '../ports.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { TimerWheel } from '../timer-wheel.js';
import { WheelTimer } from '../wheel-timer.js';
import { PageReader, type PageOwner } from './page-reader.js';
import { QueueBacklog, type QueuedMessage } from './queue-backlog.js';
import type { QueueConsumers } from './queue-consumers.js';
import type { QueuePolicy } from './queue-policy.js';
import type { QueueStorage } from './queue-storage.js';

export interface WaitingParts {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: QueuePolicy;
  readonly consumers: QueueConsumers;
  /** Null: nothing is stored. */
  readonly storage: QueueStorage | null;
}

/** Whose messages wait; implemented by Queue. */
export interface WaitingOwner {
  readonly destination: string;
  /** Taken out, as its time to live is over. */
  onExpired(entry: QueuedMessage): void;
  /** Taken out, as it need not wait any longer. */
  onDue(entry: QueuedMessage): void;
  /** Some are back, or here from the store. */
  onPutBack(): void;
}

export class WaitingMessages implements OperatedMessages, PageOwner {
  readonly destination: string;
  /** To be looked at; what is put there and taken out goes through this class. */
  readonly backlog: QueueBacklog;
  readonly #owner: WaitingOwner;
  readonly #wheel: TimerWheel;
  readonly #clock: Clock;
  readonly #policy: QueuePolicy;
  readonly #consumers: QueueConsumers;
  readonly #storage: QueueStorage | null;
  readonly #pages: PageReader | null;
  /** Messages whose time has not come; they count towards the bounds. */
  #delayed = 0;
  #delayedBytes = 0;
  /** Of these; null until the first. */
  #timers: Map<QueuedMessage, WheelTimer> | null = null;
  #isClosed = false;

  constructor(owner: WaitingOwner, { wheel, clock, logger, policy, consumers, storage }: WaitingParts) {
    this.destination = owner.destination;
    this.#owner = owner;
    this.#wheel = wheel;
    this.#clock = clock;
    this.#policy = policy;
    this.#consumers = consumers;
    this.#storage = storage;
    this.#pages = storage === null ? null : new PageReader(this, storage, logger);
    this.backlog = new QueueBacklog(this.#pages);
  }

  /** What the store held when it was opened; once, before anything else. */
  restore(lanes: readonly StoredLane[]): void {
    for (const { priority, messages, bytes, markedSequence } of lanes) {
      this.#storage?.restoreMark(priority, markedSequence);
      this.backlog.restore(priority, messages, bytes);
    }
  }

  /** Messages that wait, for a consumer or for their time. */
  get depth(): number {
    return this.backlog.size + this.#delayed;
  }

  /** Of these, near enough. */
  get bytes(): number {
    return this.backlog.bytes + this.#delayedBytes;
  }

  /** Of `bytes`, what is not in the store alone. */
  get memoryBytes(): number {
    return this.backlog.memoryBytes + this.#delayedBytes;
  }

  get delayed(): number {
    return this.#delayed;
  }

  get delayedBytes(): number {
    return this.#delayedBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything is forgotten, and what is still to be put here is too. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers?.values() ?? []) this.#wheel.cancel(timer);
    this.#timers = null;
    for (const { expiry } of this.backlog) if (expiry !== null) this.#wheel.cancel(expiry);
    this.backlog.clear();
  }

  /** A new one. */
  put(entry: QueuedMessage): void {
    if (!this.backlog.put(entry)) return;
    this.#consumers.onPut(entry);
    this.#watchExpiry(entry);
  }

  take(entry: QueuedMessage): void {
    this.backlog.take(entry);
    if (entry.expiry === null) return;
    this.#wheel.cancel(entry.expiry);
    entry.expiry = null;
  }

  /** To the places that publication gave them. */
  putBack(entries: readonly QueuedMessage[]): void {
    this.backlog.putBack(entries);
    for (const entry of entries) {
      // The others went to the pages.
      if (!entry.isWaiting) continue;
      this.#consumers.onPut(entry);
      this.#watchExpiry(entry);
    }
  }

  /** As `putBack`, now or when their time has come. */
  putBackInTime(entries: readonly QueuedMessage[]): void {
    if (this.#isClosed) return;
    const now: QueuedMessage[] = [];
    for (const entry of entries) {
      const delayMs = this.#policy.msUntil(entry.notBeforeEpochMs);
      if (delayMs > 0) this.delay(entry, delayMs);
      else now.push(entry);
    }
    this.putBack(now);
    this.#owner.onPutBack();
  }

  /** One that is not in the backlog waits here for so long. */
  delay(entry: QueuedMessage, delayMs: number): void {
    if (this.#isClosed) return;
    if (entry.message.isStored) this.backlog.keepsApart(entry);
    this.#delayed++;
    this.#delayedBytes += entry.message.weightBytes;
    const timer = new WheelTimer(() => {
      this.#forgetDelayed(entry);
      this.#owner.onDue(entry);
    });
    (this.#timers ??= new Map()).set(entry, timer);
    this.#schedule(timer, delayMs);
  }

  withdraw(entry: QueuedMessage, unit: WriteUnit): void {
    const timer = this.#timers?.get(entry);
    if (timer === undefined) this.take(entry);
    else {
      this.#wheel.cancel(timer);
      this.#forgetDelayed(entry);
    }
    const undo = (): void => {
      this.putBackInTime([entry]);
    };
    if (entry.message.isStored && this.#storage !== null) this.#storage.remove(entry.message, unit, undo);
    else unit.then(null, undo);
  }

  delayedEntries(): Iterable<QueuedMessage> {
    return this.#timers?.keys() ?? [];
  }

  waitingAfter(priority: number, id: number): Iterable<QueuedMessage> {
    return this.backlog.after(priority, id);
  }

  pagedBehind(priority: number): number {
    return this.backlog.pagedBehind(priority);
  }

  readPage(priority: number, afterSequence: number): Promise<readonly QueuedMessage[]> {
    return this.#storage?.read(priority, afterSequence) ?? Promise.resolve([]);
  }

  loadPage(priority: number): Promise<boolean> {
    if (this.#pages === null || !this.backlog.wantsMore(priority)) return Promise.resolve(false);
    return this.#pages.loaded(priority);
  }

  isShown(entry: QueuedMessage): boolean {
    return !this.#policy.isExpired(entry.message) && this.#policy.msUntil(entry.notBeforeEpochMs) === 0;
  }

  browsingFailed(error: unknown): void {
    this.#pages?.failed(error);
  }

  onPage(priority: number, entries: readonly QueuedMessage[]): void {
    this.putBackInTime(this.backlog.loaded(priority, entries));
  }

  onNoPage(priority: number): void {
    this.backlog.loadFailed(priority);
  }

  #forgetDelayed(entry: QueuedMessage): void {
    this.#timers?.delete(entry);
    this.#delayed--;
    this.#delayedBytes -= entry.message.weightBytes;
  }

  #watchExpiry(entry: QueuedMessage): void {
    const expiresEpochMs = entry.message.terms?.expiresEpochMs ?? 0;
    if (expiresEpochMs === 0) return;
    entry.expiry = new WheelTimer(() => {
      if (!entry.isWaiting) return;
      this.take(entry);
      this.#owner.onExpired(entry);
    });
    this.#schedule(entry.expiry, expiresEpochMs - this.#clock.epochMs());
  }

  #schedule(timer: WheelTimer, inMs: number): void {
    // Not the wheel's coarse clock, which may be behind: too early would be a broken promise.
    this.#wheel.schedule(timer, this.#clock.nowMs() + Math.max(inMs, 1));
  }
}
