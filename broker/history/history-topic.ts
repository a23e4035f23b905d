/**
 * A topic that keeps a history (DESIGN D6): each message gets its place before anybody sees it. A class of its own, so that
 * topics without one pay nothing.
 */
import type { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Histories } from './histories.js';
import type { HistoryLog } from './history-log.js';
import type { HistoryOptions } from './history-options.js';
import { HistoryRoute, type HistoryRouteParts, type KeptMessages } from './history-route.js';
import type { ReplayPlan } from './replay-plan.js';
import type { ResumeRequest } from './replay.js';

export interface HistoryTopicParts extends HistoryRouteParts {
  readonly histories: Histories;
  readonly options: HistoryOptions;
}

export class HistoryTopic extends HistoryRoute {
  readonly isDirect: boolean;
  readonly #parts: HistoryTopicParts;
  #log: HistoryLog;

  constructor(destination: string, parts: HistoryTopicParts) {
    super(destination, parts);
    this.#parts = parts;
    this.#log = parts.histories.open(destination, parts.options);
    this.isDirect = this.#log.storage === null;
  }

  get kept(): KeptMessages {
    return { messages: this.#log.size, bytes: this.#log.bytes };
  }

  publish(message: Message, unit: WriteUnit | null): void {
    this.publishDurably(message, unit);
    if (unit !== null && !this.isDirect) this.#store(message, unit);
    else if (unit?.holdsBack === true) this.#holdBack(message, unit);
    else this.#append(message);
  }

  plan(request: ResumeRequest | null): ReplayPlan {
    return this.#parts.histories.plan(this.#currentLog(), request);
  }

  /** The place is given when the unit is on its way, and shown when that has arrived: both in one order. */
  #store(message: Message, unit: WriteUnit): void {
    message.own();
    this.arriving++;
    let stored: { readonly log: HistoryLog; readonly offset: number; readonly message: Message } | null = null;
    unit.atSubmit(() => {
      const log = this.#currentLog();
      const offset = log.storage?.nextOffset() ?? 0;
      stored = { log, offset, message: message.stamped(log.epoch, offset) };
      log.storage?.append(offset, stored.message, unit);
    });
    const undo = (): void => {
      this.arriving--;
      stored?.log.storage?.refused(stored.log.end);
    };
    unit.then(() => {
      this.arriving--;
      if (stored === null) return;
      const { log, offset } = stored;
      log.storage?.published();
      this.#parts.histories.keep(log, offset, stored.message);
      this.show(stored.message, log);
    }, undo);
  }

  #holdBack(message: Message, unit: WriteUnit): void {
    message.own();
    this.arriving++;
    const arrived = (): void => {
      this.arriving--;
    };
    unit.then(() => {
      arrived();
      this.#append(message);
    }, arrived);
  }

  #currentLog(): HistoryLog {
    if (this.#log.isForgotten) this.#log = this.#parts.histories.open(this.destination, this.#parts.options);
    return this.#log;
  }

  #append(message: Message): void {
    const log = this.#currentLog();
    this.show(this.#parts.histories.append(log, message), log);
  }
}
