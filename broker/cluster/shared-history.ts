/**
 * One history that nodes share, as this node has it: how far it has come here, the newest of it, and what came out of turn.
 * Messages are taken in the order of their offsets; what is missing is read before anything behind it is shown.
 */
import { WheelTimer } from '../wheel-timer.js';
import type { Histories } from '../history/histories.js';
import { HistoryLog } from '../history/history-log.js';
import type { FilledHistoryRule } from '../history/history-options.js';
import type { ReplayRequest, ResumeRequest } from '../history/replay.js';
import { Message } from '../message.js';
import type { Clock, HistoryPage, HistoryPageRequest, HistoryPlace, Logger, NodeHistories } from '../ports.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { TimerWheel } from '../timer-wheel.js';

/** Those who are subscribed here; implemented by SharedHistoryTopic. */
export interface HistoryAudience {
  /** A message is in the log, with its place. */
  show(stamped: Message, log: HistoryLog): void;
  /** Something before the next message is gone. */
  tellLoss(): void;
}

export interface SharedHistoryParts {
  readonly port: NodeHistories;
  /** Where the newest messages of all histories are kept, within bounds. */
  readonly cache: Histories;
  readonly audienceOf: (destination: string) => HistoryAudience;
  readonly nextMessageId: () => number;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Messages one behind the other. */
export interface ArrivedMessages {
  /** Of the first. */
  readonly place: HistoryPlace;
  readonly messages: readonly { readonly number: number; readonly octets: Buffer | Message }[];
}

/** What waits for its turn. */
interface HeldMessages extends ArrivedMessages {
  readonly isEcho: boolean;
}

const PAGE = Object.freeze({ maxPageMessages: 1_024, maxPageBytes: 1024 * 1024 });
/** How long a missing message may still be on its way from another connection. */
const HOLE_MS = 50;
/** What may wait for a missing message; beyond, it is read as well. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

export class SharedHistory {
  readonly destination: string;
  /** Of the last message here. */
  number = 0;
  /** SUBSCRIBEs that are about to be planned: for them it counts as wanted. */
  awaited = 0;
  /** Reading has failed: there is more than is here. */
  isBehind = false;
  readonly #rule: FilledHistoryRule;
  readonly #parts: SharedHistoryParts;
  /** Messages behind that number are news to those who are subscribed; null: nobody is, as far as is known. */
  #newsBehind: number | null = null;
  #isPlaced = false;
  #log: HistoryLog;
  #held: HeldMessages[] = [];
  #heldBytes = 0;
  readonly #holeTimer: WheelTimer;
  #reading: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #loading: Promise<void> = Promise.resolve();

  constructor(destination: string, rule: FilledHistoryRule, parts: SharedHistoryParts) {
    this.destination = destination;
    this.#rule = rule;
    this.#parts = parts;
    this.#log = new HistoryLog(destination, '', rule);
    this.#holeTimer = new WheelTimer(() => {
      if (this.#held.length > 0) this.#refreshSoon();
    });
  }

  /** Null: it is not known how far it has come. */
  get log(): HistoryLog | null {
    return this.#isPlaced ? this.#current() : null;
  }

  /** Everything that has arrived is here. */
  get isSettled(): boolean {
    return this.#isPlaced && this.#reading === null && !this.isBehind && this.#held.length === 0;
  }

  /**
   * Somebody is subscribed, though it is not known how far it has come: what is behind that number is to be shown, once it
   * can be read.
   */
  expectBehind(number: number): void {
    this.#newsBehind ??= number;
  }

  /** Begins behind an offset, where nothing was known. */
  placeAt(epoch: string, offset: number, number: number): void {
    this.#restart({ epoch, former: [] }, offset, 0);
    this.number = number;
  }

  isNext({ epoch, offset }: HistoryPlace): boolean {
    return this.#isPlaced && epoch === this.#log.epoch && offset <= this.#log.end + 1;
  }

  /** @param isEcho they are this node's own, and come a second time: as they were sent, and with their result */
  receive(arrived: ArrivedMessages, isEcho = false): void {
    const { place, messages } = arrived;
    const isSame = this.#isPlaced && place.epoch === this.#log.epoch;
    if (isSame && place.offset + messages.length - 1 <= this.#log.end) return;
    if (this.#reading !== null || (isSame && (isEcho || !this.isNext(place)))) this.#hold(arrived, isEcho);
    // What is read includes it.
    else if (!isSame) this.#refreshSoon();
    else {
      for (const [k, { number, octets }] of messages.entries()) this.#take(place.offset + k, number, octets, 0, true);
      if (this.#held.length > 0) this.#takeHeld();
    }
  }

  /** Reads what was recorded before this call and is not here. Rejects as `NodeHistories.read`. */
  refresh(): Promise<void> {
    if (this.#reading === null) return (this.#reading = this.#readOn());
    // The question under way may have been answered before.
    return (this.#next ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        return this.refresh();
      }));
  }

  /** Reads what a SUBSCRIBE asks for and is not here, as far as it is kept. Rejects as `NodeHistories.read`. */
  async loadFor({ position, replay }: ResumeRequest): Promise<void> {
    const { log } = this;
    if (log === null) return;
    if (position !== null && log.hasReached(position.epoch, position.offset)) {
      await this.#load(position.offset + 1);
      if (position.offset >= (this.log?.trimmedTo ?? Infinity)) return;
    }
    if (replay !== null) await this.#load(oldestOf(replay, this.log?.end ?? 0, this.#rule));
  }

  /** Nobody asks for it any more. */
  close(): void {
    this.#parts.wheel.cancel(this.#holeTimer);
    this.#parts.cache.drop(this.#log);
    this.#held = [];
  }

  /** The cache may have let go of it: it goes on where it ended. */
  #current(): HistoryLog {
    const { epoch, former, end, isForgotten } = this.#log;
    if (isForgotten) this.#log = this.#newLog({ epoch, former }, end, 0);
    return this.#log;
  }

  #newLog({ epoch, former }: Pick<HistoryPage, 'epoch' | 'former'>, offset: number, ageMs: number): HistoryLog {
    const log = new HistoryLog(this.destination, epoch, this.#rule);
    log.continueAs(epoch, former);
    log.skipTo(offset, this.#parts.clock.epochMs() - ageMs);
    return log;
  }

  /** What was here is no part of what follows: who still reads it finds it gone. */
  #restart(epochs: Pick<HistoryPage, 'epoch' | 'former'>, offset: number, ageMs: number): void {
    this.#parts.cache.drop(this.#log);
    this.#log = this.#newLog(epochs, offset, ageMs);
    this.#isPlaced = true;
  }

  #take(offset: number, number: number, octets: Buffer | Message, ageMs: number, isNews: boolean): void {
    const log = this.#current();
    if (offset <= log.end) return;
    const { cache, nextMessageId, audienceOf, logger } = this.#parts;
    this.number = number;
    let stamped: Message;
    try {
      const message = octets instanceof Message ? octets : decodeForeign(nextMessageId(), octets);
      stamped = message.stamped(log.epoch, offset);
    } catch (error) {
      // Of a node of another version: an offset without a message.
      logger.error({ err: error, destination: this.destination, offset }, 'a message of a history cannot be read');
      log.end = offset;
      return;
    }
    cache.keep(log, offset, stamped, number, ageMs);
    if (isNews) audienceOf(this.destination).show(stamped, log);
  }

  #hold(arrived: ArrivedMessages, isEcho: boolean): void {
    const messages = arrived.messages.map(({ number, octets }) => ({ number, octets: owned(octets) }));
    for (const { octets } of messages)
      this.#heldBytes += octets instanceof Message ? octets.weightBytes : octets.length;
    this.#held.push({ place: arrived.place, messages, isEcho });
    if (this.#heldBytes > MAX_HELD_BYTES) {
      this.#letGo();
      this.#refreshSoon();
    } else if (this.#reading === null && this.#holeTimer.wheelSlot < 0) {
      this.#parts.wheel.schedule(this.#holeTimer, this.#parts.clock.nowMs() + HOLE_MS);
    }
  }

  #letGo(): HeldMessages[] {
    this.#heldBytes = 0;
    return this.#held.splice(0);
  }

  #takeHeld(): void {
    for (const held of this.#letGo().sort((a, b) => a.place.number - b.place.number)) this.receive(held, held.isEcho);
  }

  /** When it fails it is tried again with the next look at all histories. */
  #refreshSoon(): void {
    this.refresh().catch(() => undefined);
  }

  async #readOn(): Promise<void> {
    const { port } = this.#parts;
    const newsBehind = this.#isPlaced ? -1 : (this.#newsBehind ?? -1);
    try {
      for (;;) {
        const page = await port.read({
          destination: this.destination,
          after: this.#after,
          bounds: this.#rule,
          ...PAGE,
        });
        this.#apply(page, newsBehind);
        if (this.#log.end >= page.end || page.messages.length === 0) {
          this.number = Math.max(this.number, page.number);
          break;
        }
      }
      this.isBehind = false;
      this.#newsBehind = null;
    } catch (error) {
      this.isBehind = true;
      this.#letGo();
      throw error;
    } finally {
      this.#reading = null;
    }
    this.#takeHeld();
  }

  /** Behind which messages are read. */
  get #after(): HistoryPageRequest['after'] {
    if (this.#isPlaced) return { epoch: this.#log.epoch, offset: this.#log.end };
    return this.#newsBehind === null ? 'end' : 'start';
  }

  /** @param newsBehind what is before it is kept here, and not shown */
  #apply(page: HistoryPage, newsBehind: number): void {
    const { after, trimmedTo, trimmedAgeMs, messages } = page;
    if (!this.#isPlaced) {
      this.#restart(page, Math.max(after, trimmedTo), trimmedAgeMs);
      // What is gone may have been published before anybody was subscribed, or after.
      if (trimmedTo > 0 && newsBehind >= 0 && (messages[0]?.number ?? 0) > newsBehind) this.#tellLoss();
    } else if (!page.isContinued || trimmedTo > this.#current().end) {
      this.#restart(page, Math.max(after, trimmedTo), trimmedAgeMs);
      this.#tellLoss();
    } else this.#current().continueAs(page.epoch, page.former);
    for (const { offset, number, octets, ageMs } of messages) {
      this.#take(offset, number, octets, ageMs, number > newsBehind);
    }
  }

  #tellLoss(): void {
    this.#parts.audienceOf(this.destination).tellLoss();
  }

  /** One after the other, so that none reads what another is about to bring. */
  #load(from: number): Promise<void> {
    const loaded = this.#loading.then(() => this.#loadNow(from));
    this.#loading = loaded.catch(() => undefined);
    return loaded;
  }

  async #loadNow(from: number): Promise<void> {
    const log = this.#current();
    const upTo = log.trimmedTo;
    const older: HistoryPage['messages'][number][] = [];
    let trimmed = { to: upTo, ageMs: 0 };
    for (let after = Math.max(0, from - 1); after < upTo;) {
      const place = { epoch: log.epoch, offset: after };
      const { port } = this.#parts;
      const page = await port.read({ destination: this.destination, after: place, upTo, bounds: this.#rule, ...PAGE });
      if (page.epoch !== log.epoch || !page.isContinued) {
        // It goes on in another epoch, or is another history: what is here says so after this.
        await this.refresh();
        if (this.#log === log) return this.#loadNow(from);
        return;
      }
      older.push(...page.messages);
      trimmed = { to: page.trimmedTo, ageMs: page.trimmedAgeMs };
      if (page.messages.length === 0) break;
      after = page.messages.at(-1)?.offset ?? upTo;
    }
    // What was let go meanwhile had older ones in front of it, which would go as well.
    if (this.#log !== log || log.isForgotten || log.trimmedTo !== upTo || older.at(-1)?.offset !== upTo) return;
    this.#takeBack(log, older, trimmed);
  }

  #takeBack(
    log: HistoryLog,
    older: HistoryPage['messages'],
    trimmed: { readonly to: number; readonly ageMs: number },
  ): void {
    const { cache, clock, nextMessageId } = this.#parts;
    const nowEpochMs = clock.epochMs();
    const entries = older.map(({ offset, number, ageMs, octets }) => ({
      offset,
      message: decodeForeign(nextMessageId(), octets).stamped(log.epoch, offset),
      publishedEpochMs: nowEpochMs - ageMs,
      order: number,
    }));
    const trimmedTo = (entries[0]?.offset ?? 1) - 1;
    cache.change(log, () => {
      log.prepend(entries, trimmedTo, nowEpochMs - (trimmedTo <= trimmed.to ? trimmed.ageMs : 0));
    });
  }
}

/** The first offset that a replay needs. */
function oldestOf(replay: ReplayRequest, end: number, { keyHeader }: FilledHistoryRule): number {
  switch (replay.kind) {
    case 'next':
      return end + 1;
    case 'last':
      return end - replay.count + 1;
    case 'last-value':
      return keyHeader === '' ? end : 1;
    case 'from':
      return replay.offset;
    case 'all':
    case 'since':
      return 1;
  }
}

/** What waits must not keep the chunk alive that it arrived in. */
function owned(octets: Buffer | Message): Buffer | Message {
  return octets instanceof Message ? octets : Buffer.from(octets);
}
