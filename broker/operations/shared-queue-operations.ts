/**
 * What an operator does with a queue that all nodes share, from any of them: asked of the store, which has what waits. What
 * nodes have claimed is theirs. A move is one unit for each message: it leaves and arrives at once, or stays.
 */
import { BrokerError } from '../errors.js';
import { HIGHEST_PRIORITY } from '../destinations/message-terms.js';
import type { QueueInspection, QueueOperation, QueueSizes, ScanResult, SharedMessage } from '../ports.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { BrowsedMessage, QueueDetails } from './details.js';
import { browsed, revived, targetOf } from './moved-message.js';
import type {
  BrowsedPage,
  BrowsePlace,
  MoveOptions,
  MoveResult,
  QueueOperations,
  QueueOperationsParts,
} from './queue-operations.js';

/** What of a shared queue is worked on; implemented by SharedQueue. */
export interface InspectedQueue extends QueueDetails {
  readonly stream: string;
  sizes: QueueSizes;
}

export interface SharedQueueOperationsParts extends QueueOperationsParts {
  readonly journal: Journal;
}

/** Looked at in one round trip. */
const PAGE_MESSAGES = 128;
const PAGE_BYTES = 1024 * 1024;
/** In one unit, which is never divided: so long the store is held up. */
const UNIT_OPERATIONS = 250;
/** Behind all places. */
const END = Number.MAX_SAFE_INTEGER;

type MoveTally = { -readonly [Name in keyof MoveResult]: MoveResult[Name] };

export class SharedQueueOperations implements QueueOperations {
  readonly #queue: InspectedQueue;
  readonly #parts: SharedQueueOperationsParts;

  constructor(queue: InspectedQueue, parts: SharedQueueOperationsParts) {
    this.#queue = queue;
    this.#parts = parts;
  }

  get details(): QueueDetails {
    return this.#queue;
  }

  async readDetails(): Promise<QueueDetails> {
    await readSizes([this.#queue], this.#parts.journal);
    return this.#queue;
  }

  async browse(after: BrowsePlace | null, limit: number): Promise<BrowsedPage> {
    const messages: BrowsedMessage[] = [];
    const places = fromPlace(after);
    for (;;) {
      const page = await this.#scan(places, Math.min(limit - messages.length, PAGE_MESSAGES));
      for (const shared of page.messages) {
        places[shared.priority] = shared.place;
        if (!this.#isExpired(shared)) messages.push(this.#browsed(shared));
      }
      const last = page.messages.at(-1);
      if (last === undefined) return { messages, next: null };
      if (messages.length >= limit) return { messages, next: { priority: last.priority, number: last.place } };
    }
  }

  async purge(): Promise<number> {
    const [purged] = await this.#ask([{ kind: 'queue-purge', stream: this.#queue.stream }]);
    return purged as number;
  }

  async remove(numbers: ReadonlySet<number>): Promise<number> {
    const { stream } = this.#queue;
    let removed = 0;
    for (const some of inChunks([...numbers], UNIT_OPERATIONS)) {
      const results = await this.#ask(
        some.map((place) => ({ kind: 'queue-withdraw', stream, place, isRequired: false })),
      );
      removed += results.filter((wasThere) => wasThere === true).length;
    }
    return removed;
  }

  async move({ target, numbers, limit }: MoveOptions): Promise<MoveResult> {
    const { destination } = this.#queue;
    if (target === destination) {
      throw new BrokerError('destination-invalid', `${target} cannot be moved into itself`);
    }
    const tally: MoveTally = { moved: 0, skipped: 0, stoppedBy: null };
    const pages = numbers === null ? this.#pages(tally, limit) : this.#pagesOf([...numbers], tally, limit);
    for await (const page of pages) {
      await this.#moveSome(page, target, tally);
      if (tally.stoppedBy !== null || tally.moved >= limit) break;
    }
    return tally;
  }

  /** What waits now; what comes later is left out: publishers cannot make it endless. */
  async *#pages(tally: MoveTally, limit: number): AsyncGenerator<readonly SharedMessage[]> {
    const places = fromPlace(null);
    let end: number | null = null;
    for (;;) {
      const { messages, newest } = await this.#scan(places, Math.min(limit - tally.moved, PAGE_MESSAGES));
      if (messages.length === 0) return;
      const last = (end ??= newest);
      for (const { priority, place, age } of messages) places[priority] = age > last ? END : place;
      yield messages.filter(({ age }) => age <= last);
    }
  }

  async *#pagesOf(
    places: readonly number[],
    tally: MoveTally,
    limit: number,
  ): AsyncGenerator<readonly SharedMessage[]> {
    const { stream } = this.#queue;
    for (const some of inChunks(places, PAGE_MESSAGES)) {
      const [found] = await this.#ask([{ kind: 'queue-read', stream, places: some }]);
      yield (found as readonly SharedMessage[]).slice(0, limit - tally.moved);
    }
  }

  /** All at once, in order: they share a commit, and each is done or refused by itself. */
  async #moveSome(messages: readonly SharedMessage[], target: string | null, tally: MoveTally): Promise<void> {
    const moves: Promise<void>[] = [];
    let failure: unknown = null;
    for (const shared of messages) {
      const message = decodeForeign(shared.place, shared.octets);
      const to = targetOf(message, target);
      if (to === undefined || to === this.#queue.destination) {
        tally.skipped++;
        continue;
      }
      // Held back: a topic's subscribers are to see nothing of what did not leave.
      const unit = new WriteUnit(this.#parts.journal, { holdsBack: true });
      try {
        void unit.fill(() => {
          this.#parts.publish(to, revived(message, to, this.#parts.nextMessageId()), unit);
        });
      } catch (error) {
        failure = error;
        break;
      }
      unit.add({ kind: 'queue-withdraw', stream: this.#queue.stream, place: shared.place, isRequired: true });
      moves.push(unit.submit() ?? Promise.resolve());
    }
    for (const outcome of await Promise.allSettled(moves)) {
      if (outcome.status === 'fulfilled') tally.moved++;
      else {
        const refusal = asRefusal(outcome.reason);
        // A consumer was faster.
        if (refusal.code !== 'message-gone') tally.stoppedBy ??= refusal;
      }
    }
    if (failure !== null) tally.stoppedBy ??= asRefusal(failure);
  }

  #isExpired({ expiresEpochMs }: SharedMessage): boolean {
    return expiresEpochMs > 0 && expiresEpochMs <= this.#parts.clock.epochMs();
  }

  #browsed({ place, priority, octets, expiresEpochMs, deliveryCount }: SharedMessage): BrowsedMessage {
    const messageId = `${this.#parts.messageIdPrefix}${place}`;
    const terms = { messageId, priority, deliveryCount, isStored: true, expiresEpochMs };
    return browsed(decodeForeign(place, octets), terms);
  }

  async #scan(after: readonly number[], maxMessages: number): Promise<ScanResult> {
    const { stream } = this.#queue;
    const [found] = await this.#ask([
      { kind: 'queue-scan', stream, after, maxMessages, maxBytes: PAGE_BYTES, waits: false },
    ]);
    return found as ScanResult;
  }

  #ask(operations: readonly (QueueInspection | QueueOperation)[]): Promise<readonly unknown[]> {
    return ask(operations, this.#parts.journal);
  }
}

/** Has queues know what they hold. @throws BrokerError `store-failed` */
export async function readSizes(queues: readonly InspectedQueue[], journal: Journal): Promise<void> {
  const read = async (some: readonly InspectedQueue[]): Promise<void> => {
    const results = await ask(
      some.map(({ stream }) => ({ kind: 'queue-sizes', stream })),
      journal,
    );
    for (const [k, queue] of some.entries()) queue.sizes = results[k] as QueueSizes;
  };
  await Promise.all([...inChunks(queues, UNIT_OPERATIONS)].map(read));
}

/** In one unit. @returns what the store says to each */
async function ask(
  operations: readonly (QueueInspection | QueueOperation)[],
  journal: Journal,
): Promise<readonly unknown[]> {
  const unit = new WriteUnit(journal);
  const results: unknown[] = [];
  for (const operation of operations) {
    unit.ask(operation, (result) => {
      results.push(result);
    });
  }
  await unit.submit();
  return results;
}

/** Places by priority, behind which to look. */
function fromPlace(after: BrowsePlace | null): number[] {
  return Array.from({ length: HIGHEST_PRIORITY + 1 }, (_, priority) => {
    if (after === null || priority < after.priority) return 0;
    return priority === after.priority ? after.number : END;
  });
}

function* inChunks<T>(items: readonly T[], length: number): Generator<readonly T[]> {
  for (let k = 0; k < items.length; k += length) yield items.slice(k, k + length);
}

/** What a target says to a message; everything else is thrown on: the store is in trouble, or it is a fault of ours. */
function asRefusal(error: unknown): BrokerError {
  const isRefusal = error instanceof BrokerError && error.code !== 'store-failed' && error.code !== 'store-full';
  if (isRefusal) return error;
  throw error;
}
