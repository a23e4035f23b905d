/** Kept messages in the store: a stream for each user and destination, dropped when it is empty. */
import { encodeMessage } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Clock, StoredMessage } from '../ports.js';
import { DEFAULT_PRIORITY } from '../destinations/message-terms.js';
import type { InboxEntry } from './inbox-entry.js';

const STREAM = 'inbox:';
/** Between user and destination: no name or destination of a frame has it. */
const SEPARATOR = '\0';
/** All are of one: what waits for its user waits in order. */
const priority = DEFAULT_PRIORITY;
/** Read at a time from the store. */
const PAGE = Object.freeze({ maxMessages: 2_048, maxBytes: 2 * 1024 * 1024 });

/** Whose message, and where to. */
export interface InboxAddress {
  readonly user: string;
  readonly rest: string;
}

export class InboxStorage {
  readonly #journal: Journal;
  readonly #clock: Clock;

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Null for a stream of something else. */
  static parse(stream: string): InboxAddress | null {
    const end = stream.indexOf(SEPARATOR);
    if (!stream.startsWith(STREAM) || end < 0) return null;
    return { user: stream.slice(STREAM.length, end), rest: stream.slice(end + 1) };
  }

  /** Whether an address can be written as the name of a stream. */
  static canName({ user, rest }: InboxAddress): boolean {
    return !user.includes(SEPARATOR) && !rest.includes(SEPARATOR);
  }

  append(entry: InboxEntry, unit: WriteUnit, apply: () => void, undo: () => void): void {
    const { message, expiresEpochMs } = entry;
    const stored: StoredMessage = {
      sequence: entry.number,
      priority,
      octets: encodeMessage(message),
      weightBytes: message.weightBytes,
      publishedEpochMs: this.#clock.epochMs(),
      expiresEpochMs,
      notBeforeEpochMs: 0,
      deliveryCount: 0,
    };
    unit.add({ kind: 'append', stream: streamOf(entry), message: stored }, apply, undo);
  }

  /**
   * How often it was delivered, and until when it is not to be, for the case that the next delivery is after a crash.
   * @param unit null: nobody waits for it
   */
  count(entry: InboxEntry, deliveryCount: number, notBeforeEpochMs: number, unit: WriteUnit | null): void {
    const place = { stream: streamOf(entry), priority, sequence: entry.number };
    const operation = { kind: 'update', ...place, deliveryCount, notBeforeEpochMs } as const;
    if (unit === null) this.#journal.owe(operation);
    else unit.add(operation);
  }

  /** @param unit null: nobody waits for it */
  remove(entry: InboxEntry, unit: WriteUnit | null): void {
    const operation = { kind: 'remove', stream: streamOf(entry), priority, sequence: entry.number } as const;
    if (unit === null) this.#journal.owe(operation);
    else unit.add(operation);
  }

  /** Nothing is left for that destination, and nothing is on its way. */
  drop(address: InboxAddress): void {
    this.#journal.owe({ kind: 'drop', stream: streamOf(address) });
  }

  /** @throws BrokerError `store-failed` */
  async *read(address: InboxAddress): AsyncIterableIterator<StoredMessage> {
    const stream = streamOf(address);
    for (let after = 0; ;) {
      const page = await this.#journal.read(stream, priority, after, PAGE);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.sequence;
    }
  }
}

function streamOf({ user, rest }: InboxAddress): string {
  return `${STREAM}${user}${SEPARATOR}${rest}`;
}
