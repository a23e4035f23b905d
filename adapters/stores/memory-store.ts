/** A Store in the memory of the process: bounded in octets, and gone with the process. */
import { BrokerError } from '../../broker/errors.js';
import type { Clock, Store, StoreContents, StoredMessage, StoreOperation } from '../../broker/ports.js';
import { MemoryLane } from './memory-lane.js';

export interface MemoryStoreOptions {
  /** Octets of messages and records, each with 128 for what surrounds it. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** When records expire. Default: the time of the system. */
  readonly clock?: Pick<Clock, 'epochMs'> | undefined;
}

interface HeldRecord {
  readonly value: string;
  readonly expiresEpochMs: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** About what the object, its place in a lane and the head of its octets take in V8. */
const ENTRY_BYTES = 128;
/** Records are searched for expired ones when they have doubled, and not below this many. */
const MIN_SWEEP = 1_024;
/** A store that is full looks for expired records no more often than this. */
const SWEEP_EVERY_MS = 1_000;
const SYSTEM_TIME = { epochMs: () => Date.now() };

type Undo = () => void;

/** Keeps a reference to the octets of its messages, as they do not change. */
export class MemoryStore implements Store {
  readonly name = 'memory';
  readonly isLasting = false;
  readonly #maxBytes: number;
  readonly #clock: Pick<Clock, 'epochMs'>;
  readonly #streams = new Map<string, Map<number, MemoryLane>>();
  readonly #records = new Map<string, HeldRecord>();
  #bytes = 0;
  #sweepAt = MIN_SWEEP;
  #sweptEpochMs = 0;
  #isClosed = false;
  /** While a commit may have to be taken back: the way back, last step first. */
  #undo: Undo[] | null = null;

  constructor({ maxBytes = DEFAULT_MAX_BYTES, clock = SYSTEM_TIME }: MemoryStoreOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** What it holds, as counted against `maxBytes`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins with nothing. */
  async open(): Promise<StoreContents> {
    return { lanes: [], records: [] };
  }

  /** @throws BrokerError `store-full` when it would hold more than `maxBytes` afterwards, `store-failed` once closed */
  async commit(operations: readonly StoreOperation[]): Promise<void> {
    this.#requireOpen();
    const added = operations.reduce((sum, operation) => sum + addedBytes(operation), 0);
    if (this.#bytes + added > this.#maxBytes) this.#sweepForRoom();
    // What surely fits is not recorded step by step.
    if (this.#bytes + added <= this.#maxBytes) for (const operation of operations) this.#apply(operation);
    else this.#applyOrUndo(operations);
    if (this.#records.size >= this.#sweepAt) this.#sweep();
  }

  async read(
    stream: string,
    priority: number,
    afterSequence: number,
    { maxMessages, maxBytes }: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]> {
    this.#requireOpen();
    const found: StoredMessage[] = [];
    let bytes = 0;
    for (const message of this.#streams.get(stream)?.get(priority)?.after(afterSequence) ?? []) {
      bytes += message.weightBytes;
      if (found.length > 0 && (found.length >= maxMessages || bytes > maxBytes)) break;
      found.push(message);
    }
    return found;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#streams.clear();
    this.#records.clear();
    this.#bytes = 0;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new BrokerError('store-failed', 'the store in memory is closed');
  }

  #applyOrUndo(operations: readonly StoreOperation[]): void {
    const undo: Undo[] = (this.#undo = []);
    for (const operation of operations) this.#apply(operation);
    this.#undo = null;
    if (this.#bytes <= this.#maxBytes) return;
    for (const step of undo.reverse()) step();
    throw new BrokerError('store-full', `the store in memory holds at most ${this.#maxBytes} octets`);
  }

  #apply(operation: StoreOperation): void {
    switch (operation.kind) {
      case 'append':
        return this.#append(operation.stream, operation.message);
      case 'remove':
        return this.#remove(operation.stream, operation.priority, operation.sequence);
      case 'update': {
        const { stream, priority, sequence, deliveryCount, notBeforeEpochMs } = operation;
        const message = this.#streams.get(stream)?.get(priority)?.find(sequence);
        if (message !== undefined) this.#append(stream, { ...message, deliveryCount, notBeforeEpochMs });
        return;
      }
      case 'mark':
        // Nobody asks before the store opens again, and then it is empty.
        return;
      case 'trim':
        return this.#trim(operation.stream, operation.priority, operation.sequence);
      case 'drop':
        for (const priority of [...(this.#streams.get(operation.stream)?.keys() ?? [])])
          this.#trim(operation.stream, priority, Number.MAX_SAFE_INTEGER);
        return;
      case 'put':
        return this.#setRecord(operation.key, { value: operation.value, expiresEpochMs: operation.expiresEpochMs });
      case 'delete':
        return this.#setRecord(operation.key, undefined);
    }
  }

  #append(stream: string, message: StoredMessage): void {
    const replaced = this.#laneOf(stream, message.priority).add(message);
    this.#bytes += messageBytes(message) - (replaced === undefined ? 0 : messageBytes(replaced));
    this.#undo?.push(() => {
      if (replaced === undefined) this.#remove(stream, message.priority, message.sequence);
      else this.#append(stream, replaced);
    });
  }

  #remove(stream: string, priority: number, sequence: number): void {
    const lanes = this.#streams.get(stream);
    const lane = lanes?.get(priority);
    const removed = lane?.remove(sequence);
    if (lanes === undefined || lane === undefined || removed === undefined) return;
    this.#bytes -= messageBytes(removed);
    if (lane.count === 0) lanes.delete(priority);
    if (lanes.size === 0) this.#streams.delete(stream);
    this.#undo?.push(() => {
      this.#append(stream, removed);
    });
  }

  #trim(stream: string, priority: number, upToSequence: number): void {
    const lane = this.#streams.get(stream)?.get(priority);
    if (lane === undefined) return;
    const sequences: number[] = [];
    for (const { sequence } of lane.after(0)) {
      if (sequence > upToSequence) break;
      sequences.push(sequence);
    }
    for (const sequence of sequences) this.#remove(stream, priority, sequence);
  }

  #laneOf(stream: string, priority: number): MemoryLane {
    let lanes = this.#streams.get(stream);
    if (lanes === undefined) this.#streams.set(stream, (lanes = new Map<number, MemoryLane>()));
    let lane = lanes.get(priority);
    if (lane === undefined) lanes.set(priority, (lane = new MemoryLane()));
    return lane;
  }

  #setRecord(key: string, record: HeldRecord | undefined): void {
    const before = this.#records.get(key);
    if (before !== undefined) this.#bytes -= recordBytes(key, before.value);
    if (record === undefined) this.#records.delete(key);
    else {
      this.#records.set(key, record);
      this.#bytes += recordBytes(key, record.value);
    }
    this.#undo?.push(() => {
      this.#setRecord(key, before);
    });
  }

  #sweepForRoom(): void {
    if (Math.abs(this.#clock.epochMs() - this.#sweptEpochMs) >= SWEEP_EVERY_MS) this.#sweep();
  }

  /** Forgets what has expired. */
  #sweep(): void {
    const nowEpochMs = (this.#sweptEpochMs = this.#clock.epochMs());
    for (const [key, { expiresEpochMs }] of this.#records) {
      if (expiresEpochMs > 0 && expiresEpochMs <= nowEpochMs) this.#setRecord(key, undefined);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, 2 * this.#records.size);
  }
}

function messageBytes({ octets }: StoredMessage): number {
  return octets.byteLength + ENTRY_BYTES;
}

/** Text counts two octets a character, the most that V8 takes. */
function recordBytes(key: string, value: string): number {
  return 2 * (key.length + value.length) + ENTRY_BYTES;
}

function addedBytes(operation: StoreOperation): number {
  if (operation.kind === 'append') return messageBytes(operation.message);
  return operation.kind === 'put' ? recordBytes(operation.key, operation.value) : 0;
}
