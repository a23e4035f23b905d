/**
 * The stored side of one history: a stream of its messages, by offset, and a record of its epoch. A message gets its
 * offset when its unit is submitted and becomes visible when that is stored, so that no offset which anybody has seen is
 * given twice, whenever the process dies.
 */
import type { Message } from '../message.js';
import type { Clock, StoredMessage } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { encodeMessage } from '../storage/message-codec.js';
import type { WriteUnit } from '../storage/write-unit.js';

/** What precedes the destination in the names of streams and records. */
export const HISTORY_STREAM = 'history:';
export const EPOCH_RECORD = 'epoch:';
/** Histories know no priorities. */
export const HISTORY_PRIORITY = 0;
/** The store is told of messages that are let go in lots of this many. */
const TRIM_LOT = 64;

/** The record of a history. */
export interface RecordedEpoch {
  readonly epoch: string;
  /** The last offset, where no message tells it. */
  readonly end: number;
}

export class HistoryStorage {
  readonly #destination: string;
  readonly #epoch: string;
  readonly #journal: Journal;
  readonly #clock: Clock;
  /** The last offset that was given out. */
  #last = 0;
  /** Messages on their way to the store. */
  #inFlight = 0;
  #isRecorded = false;
  #trimmedTo = 0;

  constructor(destination: string, epoch: string, parts: { readonly journal: Journal; readonly clock: Clock }) {
    this.#destination = destination;
    this.#epoch = epoch;
    this.#journal = parts.journal;
    this.#clock = parts.clock;
  }

  /** The store has it already. @param end the last offset that was given out */
  restore(end: number): void {
    this.#last = end;
    this.#isRecorded = true;
  }

  /** Something is on its way to the store. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  get #stream(): string {
    return HISTORY_STREAM + this.#destination;
  }

  /** To be followed by `published` or `refused`. */
  nextOffset(): number {
    this.#inFlight++;
    return ++this.#last;
  }

  /** @param message as subscribers are to get it */
  append(offset: number, message: Message, unit: WriteUnit): void {
    if (!this.#isRecorded) unit.add(this.#record(0));
    const stored: StoredMessage = {
      sequence: offset,
      priority: HISTORY_PRIORITY,
      octets: encodeMessage(message),
      weightBytes: message.weightBytes,
      publishedEpochMs: this.#clock.epochMs(),
      expiresEpochMs: 0,
      notBeforeEpochMs: 0,
      deliveryCount: 0,
    };
    unit.add({ kind: 'append', stream: this.#stream, message: stored });
  }

  published(): void {
    this.#inFlight--;
    this.#isRecorded = true;
  }

  /**
   * The store refused a message. Its offset is given to another, unless later ones are on their way already: then it is
   * left out for good. Nobody has seen it.
   * @param end the last offset that was published
   */
  refused(end: number): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#last = end;
  }

  /**
   * Messages were let go.
   * @param isEmpty no message is left that tells the last offset
   * @param atOnce false may leave it for later
   */
  trimmed(trimmedTo: number, end: number, isEmpty: boolean, atOnce: boolean): void {
    const count = trimmedTo - this.#trimmedTo;
    if (count === 0 || (count < TRIM_LOT && !atOnce && !isEmpty)) return;
    if (isEmpty) this.#journal.owe(this.#record(end));
    this.#journal.owe({ kind: 'trim', stream: this.#stream, priority: HISTORY_PRIORITY, sequence: trimmedTo });
    this.#trimmedTo = trimmedTo;
  }

  /** The history is forgotten. Not while it is busy. */
  drop(): void {
    if (!this.#isRecorded) return;
    this.#journal.owe({ kind: 'drop', stream: this.#stream });
    this.#journal.owe({ kind: 'delete', key: EPOCH_RECORD + this.#destination });
  }

  #record(end: number): { kind: 'put'; key: string; value: string; expiresEpochMs: number } {
    const recorded: RecordedEpoch = { epoch: this.#epoch, end };
    return { kind: 'put', key: EPOCH_RECORD + this.#destination, value: JSON.stringify(recorded), expiresEpochMs: 0 };
  }
}
