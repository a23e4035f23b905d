/**
 * The histories of all topics of this node: found by topic, bounded together, swept. When there are too many, those that
 * were not published to for longest give way.
 */
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { WheelTimer } from '../wheel-timer.js';
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import { OldestFirstMap } from '../oldest-first-map.js';
import type { Clock, Logger, StoreContents } from '../ports.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';
import type { HistoryCursor } from './history-cursor.js';
import { HistoryLog } from './history-log.js';
import type { HistoryOptions } from './history-options.js';
import { HistoryReader } from './history-reader.js';
import { HistoryStorage } from './history-storage.js';
import { ReplayPlan } from './replay-plan.js';
import { restoreHistories } from './restore-histories.js';
import type { ResumeRequest } from './replay.js';

export interface HistoriesParts {
  /** All histories together, in octets. */
  readonly maxBytes: number;
  /** Between the segments of destinations. */
  readonly separator: string;
  readonly createEpoch: () => string;
  /** Where subscriptions that have caught up get their messages from. */
  readonly live: MessageSource;
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly turns: TurnBudget;
  readonly logger: Logger;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
}

/** How often what is too old is looked for where nothing is published. */
const SWEEP_EVERY_MS = 10_000;

export class Histories {
  readonly #parts: HistoriesParts;
  /** Those that were published to, the longest ago first. */
  readonly #logs = new OldestFirstMap<string, HistoryLog>();
  #newest: HistoryLog | null = null;
  #bytes = 0;
  #messages = 0;
  /**
   * Of logs that begin now. Another after each that was forgotten, so that no topic ever has two beginnings in one epoch,
   * though nothing is kept of topics that were never published to.
   */
  #epoch: string;
  readonly #sweep: WheelTimer;

  constructor(parts: HistoriesParts) {
    this.#parts = parts;
    this.#epoch = parts.createEpoch();
    this.#sweep = new WheelTimer(() => {
      this.#sweepAll();
    });
  }

  /** Topics with a history. */
  get topicCount(): number {
    return this.#logs.size;
  }

  get messageCount(): number {
    return this.#messages;
  }

  /** Memory that all take, near enough. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The log of a topic; until something is published to it, the caller alone knows it. */
  open(destination: string, options: HistoryOptions): HistoryLog {
    const known = this.#logs.get(destination);
    if (known !== undefined) return known;
    const { journal, clock } = this.#parts;
    const storage =
      options.durable && journal?.isLasting === true
        ? new HistoryStorage(destination, this.#epoch, { journal, clock })
        : null;
    return new HistoryLog(destination, this.#epoch, options, storage);
  }

  /** What the store held when it was opened. @param optionsOf null where no history is kept */
  async restore(contents: StoreContents, optionsOf: (destination: string) => HistoryOptions | null): Promise<void> {
    const { journal, clock, logger } = this.#parts;
    if (journal === null) return;
    for (const log of await restoreHistories(contents, optionsOf, { journal, clock, logger })) this.#remember(log);
    this.#makeRoom();
    if (this.#messages > 0) this.#sweepLater();
  }

  /** Gives a message its place in a history that is not stored. @returns it, as subscribers are to get it */
  append(log: HistoryLog, message: Message): Message {
    const stamped = message.stamped(log.epoch, log.end + 1);
    this.keep(log, log.end + 1, stamped);
    return stamped;
  }

  /** Keeps a message that has its place. @param order as in HistoryEntry */
  keep(log: HistoryLog, offset: number, stamped: Message, order = stamped.id, ageMs = 0): void {
    const nowEpochMs = this.#parts.clock.epochMs();
    this.#forget(log);
    log.append(offset, stamped, nowEpochMs - ageMs, order);
    if (log.trim(nowEpochMs)) tellTrimmed(log, false);
    this.#kept(log);
  }

  /** Changes what a log holds that others than this node publish to; it is then the newest, and others may give way. */
  change(log: HistoryLog, change: () => void): void {
    this.#forget(log);
    change();
    log.trim(this.#parts.clock.epochMs());
    this.#kept(log);
  }

  #kept(log: HistoryLog): void {
    this.#remember(log);
    this.#makeRoom();
    if (this.#sweep.wheelSlot < 0) this.#sweepLater();
  }

  /** Lets a log go: whoever reads in it finds that it is gone. */
  drop(log: HistoryLog): void {
    if (this.#newest === log) this.#newest = null;
    this.#drop(log);
  }

  has(log: HistoryLog): boolean {
    return this.#logs.get(log.destination) === log;
  }

  /**
   * What a SUBSCRIBE to a topic gets.
   * @param request null: messages from now on
   */
  plan(log: HistoryLog, request: ResumeRequest | null): ReplayPlan {
    this.#trim(log);
    return this.#counted(ReplayPlan.of(log, request));
  }

  /**
   * What a SUBSCRIBE to a pattern gets.
   * @throws BrokerError `header-invalid` for a position, which there is of single topics only
   */
  planAll(pattern: string, request: ResumeRequest): ReplayPlan {
    if (request.position !== null || request.replay?.kind === 'from') {
      const header = request.position === null ? 'x-stream-offset' : 'resume-offset';
      throw new BrokerError(
        'header-invalid',
        `SUBSCRIBE header "${header}": got it with a pattern, wants a single topic, as offsets are counted by topic`,
      );
    }
    const logs = this.#matching(pattern);
    for (const log of logs) this.#trim(log);
    return this.#counted(ReplayPlan.ofAll(logs, request));
  }

  /** What a SUBSCRIBE gets that asks for something where nothing is kept. */
  planNone(): ReplayPlan {
    return this.#counted(ReplayPlan.withoutHistory());
  }

  /** Starts reading, or lets the subscription live when there is nothing to read. Behind its RECEIPT. */
  begin(subscription: Subscription, { isRecovered, cursors }: ReplayPlan): void {
    if (isRecovered !== null) subscription.outbox.noteNext(subscription, isRecovered);
    if (cursors.some(hasMore)) new HistoryReader(subscription, cursors, this.#parts).start();
  }

  #counted(plan: ReplayPlan): ReplayPlan {
    if (plan.isRecovered === true) this.#parts.stats.historyRecovered++;
    if (plan.isRecovered === false) this.#parts.stats.historyUnrecovered++;
    return plan;
  }

  #matching(pattern: string): HistoryLog[] {
    const index = new SubscriptionIndex<null>(this.#parts.separator);
    index.add(pattern, null);
    const [literal = ''] = pattern.split(/[*?{]/, 1);
    return [...this.#logs.values()].filter(
      ({ destination }) => destination.startsWith(literal) && index.match(destination).length > 0,
    );
  }

  /** Out of the sums, before the log changes. */
  #forget(log: HistoryLog): void {
    if (!this.has(log)) return;
    this.#bytes -= log.costBytes;
    this.#messages -= log.size;
  }

  /** Back into the sums, as the one published to last. */
  #remember(log: HistoryLog): void {
    this.#bytes += log.costBytes;
    this.#messages += log.size;
    if (this.#newest === log) return;
    this.#newest = log;
    this.#logs.delete(log.destination);
    this.#logs.set(log.destination, log);
  }

  /** @param atOnce the store is told of all of it */
  #trim(log: HistoryLog, atOnce = false): void {
    const isKnown = this.#logs.get(log.destination) === log;
    const { costBytes, size } = log;
    const hasTrimmed = log.trim(this.#parts.clock.epochMs());
    if (hasTrimmed || atOnce) tellTrimmed(log, atOnce);
    if (!hasTrimmed || !isKnown) return;
    this.#bytes += log.costBytes - costBytes;
    this.#messages += log.size - size;
  }

  #makeRoom(): void {
    const { maxBytes } = this.#parts;
    while (this.#bytes > maxBytes) {
      const [, oldest] = this.#logs.oldest ?? [];
      if (oldest === undefined || oldest === this.#newest) break;
      if (oldest.storage?.isBusy === true) {
        this.#dropWhatCanGo();
        break;
      }
      this.#giveWay(oldest);
    }
    // One topic alone is too much.
    const log = this.#newest;
    while (log !== null && this.#bytes > maxBytes) {
      const { costBytes } = log;
      if (!log.giveWay()) return;
      tellTrimmed(log, false);
      this.#bytes += log.costBytes - costBytes;
      this.#messages--;
    }
  }

  /** Memory is short: of what is not stored the half that was published to the longest ago gives way. */
  shed(): void {
    const untilBytes = this.#bytes / 2;
    for (const log of this.#logs.values()) {
      if (this.#bytes <= untilBytes) return;
      if (log.storage === null && log !== this.#newest) this.#giveWay(log);
    }
  }

  /** Past those whose messages are on their way to the store. */
  #dropWhatCanGo(): void {
    for (const log of this.#logs.values()) {
      if (this.#bytes <= this.#parts.maxBytes || log === this.#newest) return;
      if (log.storage?.isBusy !== true) this.#giveWay(log);
    }
  }

  #giveWay(log: HistoryLog): void {
    this.#drop(log);
    this.#parts.stats.historiesGivenWay++;
  }

  #drop(log: HistoryLog): void {
    this.#forget(log);
    if (this.has(log)) this.#logs.delete(log.destination);
    log.clear();
    log.storage?.drop();
    log.isForgotten = true;
    this.#epoch = this.#parts.createEpoch();
  }

  #sweepAll(): void {
    for (const log of this.#logs.values()) this.#trim(log, true);
    if (this.#messages > 0) this.#sweepLater();
  }

  #sweepLater(): void {
    this.#parts.wheel.schedule(this.#sweep, this.#parts.clock.nowMs() + SWEEP_EVERY_MS);
  }
}

function tellTrimmed({ storage, trimmedTo, end, size }: HistoryLog, atOnce: boolean): void {
  storage?.trimmed(trimmedTo, end, size === 0, atOnce);
}

function hasMore(cursor: HistoryCursor): boolean {
  return cursor.peek() !== undefined;
}
