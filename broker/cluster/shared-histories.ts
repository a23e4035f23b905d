/**
 * The histories that this node has a part in: who is subscribed here, what it has of each, and how it notices that it has
 * missed something. Made only where nodes share histories.
 *
 * What holds: a history that is known here has everything up to `#mark`, or is being read; one of which something was missed
 * while nobody was subscribed is forgotten at the latest when `#mark` goes past it.
 */
import { splitSegments } from '../destinations/pattern.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import type { Histories } from '../history/histories.js';
import type { FilledHistoryRule } from '../history/history-options.js';
import type { KeptMessages } from '../history/history-route.js';
import type { ReplayPlan } from '../history/replay-plan.js';
import type { ResumeRequest } from '../history/replay.js';
import type { Clock, HistoriesMark, HistoryInterest, NodeHistories } from '../ports.js';
import { SharedHistory, type ArrivedMessages, type SharedHistoryParts } from './shared-history.js';

export interface SharedHistoriesParts extends SharedHistoryParts {
  readonly port: NodeHistories;
  readonly cache: Histories;
  readonly clock: Clock;
  /** Of all histories together. */
  readonly maxBytes: number;
  /** Between the segments of destinations. */
  readonly separator: string;
  /** Patterns of all rules. */
  readonly groups: readonly string[];
  /** Null: it keeps no history. */
  readonly ruleOf: (destination: string) => FilledHistoryRule | null;
  /** Subscribed to that very destination. */
  readonly subscribersOf: (destination: string) => number;
  /** Whether anybody is subscribed to it, be it by a pattern. */
  readonly isWanted: (destination: string) => boolean;
}

/** How often this node asks whether it has missed something, without a reason to think so. */
const CHECK_EVERY_MS = 5_000;
/** Histories that are read at a time for one replay of a pattern. */
const READ_AT_ONCE = 16;
const NOTHING = (): undefined => undefined;

export class SharedHistories {
  readonly #parts: SharedHistoriesParts;
  readonly #histories = new Map<string, SharedHistory>();
  /** Null: never asked. */
  #mark: HistoriesMark | null = null;
  #checking: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #stopChecking: (() => void) | null = null;

  constructor(parts: SharedHistoriesParts) {
    this.#parts = parts;
  }

  get maxBytes(): number {
    return this.#parts.maxBytes;
  }

  async start(): Promise<void> {
    const { port, clock } = this.#parts;
    await port.start({
      onRecorded: (recorded) => {
        this.receive(recorded.destination, recorded, recorded.isOwn);
      },
      onReachable: () => {
        this.check().catch(NOTHING);
      },
    });
    this.#stopChecking = clock.every(CHECK_EVERY_MS, () => {
      this.check().catch(NOTHING);
    });
    await this.check().catch(NOTHING);
  }

  stop(): Promise<void> {
    this.#stopChecking?.();
    for (const history of this.#histories.values()) history.close();
    this.#histories.clear();
    return this.#parts.port.stop();
  }

  /** Before a SUBSCRIBE is planned, in a destination or pattern. @returns as `NodeHistories.join` */
  join(destination: string, isPattern: boolean): Promise<void> | undefined {
    const joined = this.#interests(destination, isPattern).map((interest) => this.#parts.port.join(interest));
    const waits = joined.filter((each) => each !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits).then(NOTHING);
  }

  leave(destination: string, isPattern: boolean): void {
    for (const interest of this.#interests(destination, isPattern)) this.#parts.port.leave(interest);
  }

  /** Messages that have their places. @param isEcho as in SharedHistory.receive */
  receive(destination: string, arrived: ArrivedMessages, isEcho = false): void {
    const { isWanted } = this.#parts;
    let history = this.#histories.get(destination);
    if (history === undefined) {
      if (!isWanted(destination)) return;
      const made = this.#open(destination);
      if (made === null) return;
      history = made;
      const { epoch, offset, previous } = arrived.place;
      // Otherwise there was one before it that this node has missed.
      if (previous <= (this.#mark?.number ?? Infinity)) history.placeAt(epoch, offset - 1, previous);
    } else if (history.isSettled && !history.isNext(arrived.place) && !this.#isWanted(history)) {
      this.#forget(history);
      return;
    }
    history.receive(arrived, isEcho);
  }

  /**
   * Before a SUBSCRIBE is planned: what it asks for is here afterwards, as far as it is kept, for the rest of this turn.
   * @param request null: messages from now on
   * @returns what rejects with BrokerError `relay-unavailable`, `relay-lost` when something was asked for and could not be read
   */
  async prepare(destination: string, request: ResumeRequest | null): Promise<void> {
    const history = this.#open(destination);
    if (history === null) return;
    const release = this.#hold([history]);
    try {
      if (!this.#isCurrent(history, request)) await history.refresh();
      if (request !== null) await history.loadFor(request);
    } catch (error) {
      if (request !== null) throw error;
    } finally {
      release();
    }
  }

  /** The same of a pattern. */
  async prepareAll(pattern: string, request: ResumeRequest | null): Promise<void> {
    // From here on what is published behind the mark is news to it.
    if (request === null) return this.check().catch(NOTHING);
    await this.check();
    const { port, cache, separator } = this.#parts;
    const index = new SubscriptionIndex<null>(separator);
    index.add(pattern, null);
    const all = await port.changes({ generation: '', number: 0 });
    const wanted = all.changed.filter(({ destination }) => index.match(destination).length > 0);
    const histories = wanted.map(({ destination }) => this.#open(destination)).filter((each) => each !== null);
    const release = this.#hold(histories);
    try {
      for (let k = 0; k < histories.length; k += READ_AT_ONCE) {
        const some = histories.slice(k, k + READ_AT_ONCE).map(async (history) => {
          await history.refresh();
          await history.loadFor(request);
          // One that keeps nothing any more has a part in the answer too.
          if (history.log !== null) cache.change(history.log, NOTHING);
        });
        await Promise.all(some);
      }
    } finally {
      release();
    }
  }

  /** They count as wanted until the turn is over in which the returned function is called: a SUBSCRIBE is about to be planned. */
  #hold(histories: readonly SharedHistory[]): () => void {
    for (const history of histories) history.awaited++;
    return () => {
      this.#parts.clock.soon(() => {
        for (const history of histories) history.awaited--;
      });
    };
  }

  /** What a SUBSCRIBE to a destination gets; null where the history is not known. */
  plan(destination: string, request: ResumeRequest | null): ReplayPlan | null {
    const { cache } = this.#parts;
    const history = this.#histories.get(destination);
    if (history !== undefined && history.log !== null) return cache.plan(history.log, request);
    if (this.#mark !== null) history?.expectBehind(this.#mark.number);
    return request === null ? null : cache.planNone();
  }

  /** Of one history, here. */
  kept(destination: string): KeptMessages {
    const log = this.#histories.get(destination)?.log ?? null;
    return log === null ? { messages: 0, bytes: 0 } : { messages: log.size, bytes: log.bytes };
  }

  /** Looks for what was missed. Rejects as `NodeHistories.changes`. */
  check(): Promise<void> {
    if (this.#checking === null) return (this.#checking = this.#check());
    return (this.#next ??= this.#checking.catch(NOTHING).then(() => {
      this.#next = null;
      return this.check();
    }));
  }

  async #check(): Promise<void> {
    try {
      const since = this.#mark;
      const { mark, changed } = await this.#parts.port.changes(since);
      if (since !== null && since.generation !== mark.generation) {
        for (const { destination } of [...this.#histories.values()]) this.#look(destination, Infinity);
      }
      for (const { destination, number } of changed) this.#look(destination, number);
      this.#mark = mark;
      this.#tidyUp(mark);
    } finally {
      this.#checking = null;
    }
  }

  /** @param number of the last message of that history */
  #look(destination: string, number: number): void {
    const known = this.#histories.get(destination);
    if (known === undefined ? !this.#parts.isWanted(destination) : !this.#isWanted(known)) {
      if (known !== undefined && known.number < number) this.#forget(known);
      return;
    }
    const history = known ?? this.#open(destination);
    if (history !== null && history.number < number) history.refresh().catch(NOTHING);
  }

  /** What failed is tried again; what takes no part in anything and can be asked for again is let go. */
  #tidyUp({ number }: HistoriesMark): void {
    const { cache } = this.#parts;
    for (const history of this.#histories.values()) {
      if (history.awaited > 0) continue;
      if (history.isBehind && this.#isWanted(history)) history.refresh().catch(NOTHING);
      else if (history.isBehind) this.#forget(history);
      else if (history.isSettled && history.number <= number && history.log !== null && !cache.has(history.log)) {
        this.#forget(history);
      }
    }
  }

  /** Somebody is subscribed, so that everything comes here, and what is asked for is within that. */
  #isCurrent(history: SharedHistory, request: ResumeRequest | null): boolean {
    if (!history.isSettled || this.#parts.subscribersOf(history.destination) === 0) return false;
    const position = request?.position ?? null;
    return position === null ? request === null : history.log?.hasReached(position.epoch, position.offset) === true;
  }

  #isWanted(history: SharedHistory): boolean {
    return history.awaited > 0 || this.#parts.isWanted(history.destination);
  }

  #open(destination: string): SharedHistory | null {
    const known = this.#histories.get(destination);
    if (known !== undefined) return known;
    const { ruleOf, isWanted } = this.#parts;
    const rule = ruleOf(destination);
    if (rule === null) return null;
    const history = new SharedHistory(destination, rule, this.#parts);
    if (this.#mark !== null && isWanted(destination)) history.expectBehind(this.#mark.number);
    this.#histories.set(destination, history);
    return history;
  }

  #forget(history: SharedHistory): void {
    this.#histories.delete(history.destination);
    history.close();
  }

  /** A pattern wants every group that it may have a part in: what begins alike. */
  #interests(destination: string, isPattern: boolean): HistoryInterest[] {
    if (!isPattern) return this.#parts.ruleOf(destination) === null ? [] : [{ kind: 'history', name: destination }];
    const own = this.#literalOf(destination);
    return this.#parts.groups
      .filter((group) => own.startsWith(this.#literalOf(group)) || this.#literalOf(group).startsWith(own))
      .map((name) => ({ kind: 'group', name }));
  }

  /** What everything that a pattern matches begins with, separators written once. */
  #literalOf(pattern: string): string {
    const { separator } = this.#parts;
    return splitSegments(pattern, separator).join(separator).split(/[*?{]/, 1)[0] ?? '';
  }
}
