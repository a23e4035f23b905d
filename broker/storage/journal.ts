/**
 * The one door to the store. Gathers what is asked for while a commit is under way, so that many frames share one sync
 * (group commit); keeps the order of asking; tells when publishers should wait; keeps trying what may not be lost.
 */
import { BrokerError } from '../errors.js';
import type {
  Clock,
  Logger,
  SharedOperation,
  SharedStore,
  SharedStoreEvents,
  Store,
  StoreContents,
  StoredMessage,
  StoredRecord,
  StoreOperation,
  UnitOutcome,
} from '../ports.js';
import { MAX_PROBE_BYTES, probe, PROBE_REMOVAL, PROBE_STREAM } from './room-probe.js';
import type { UnitWriter, WriteUnit } from './write-unit.js';

export interface JournalParts {
  readonly store: Store | SharedStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Octets on their way to the store above which publishers are to wait. */
  readonly maxPendingBytes: number;
  /** What a shared store answers is not used before: it may be of a time when this node was another member. */
  readonly caughtUp?: (() => Promise<void> | undefined) | undefined;
}

/** Why the store cannot be used at the moment. */
export interface StoreProblem {
  /** `store-slow`: a commit is under way for longer than SLOW_AFTER_MS; whoever waits for it waits on. */
  readonly code: 'store-full' | 'store-failed' | 'store-slow';
  /** One line, with the cause. */
  readonly message: string;
  readonly sinceEpochMs: number;
}

type Mark = Extract<StoreOperation, { kind: 'mark' }>;

interface Waiting {
  readonly unit: WriteUnit;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
}

/** What the store said. */
interface Answer {
  /** Why what was standing was not stored, or nothing was; null: it was. */
  readonly failure: BrokerError | null;
  /** Of the units; missing for those that shared the failure. */
  readonly outcomes: readonly UnitOutcome[];
}

/** What an operation is taken to weigh, besides the message in it. */
const OPERATION_BYTES = 64;
/** One commit takes no more than this, so that the first of a burst does not wait for the last. */
const MAX_COMMIT_BYTES = 4 * 1024 * 1024;
const NO_RESULTS: readonly never[] = [];
const DONE: UnitOutcome = { isDone: true, results: NO_RESULTS };
const RETRY_EVERY_MS = 1_000;
/** A disk that is only busy takes less; one that hangs never answers, and nobody else would say so. */
const SLOW_AFTER_MS = 5_000;
const PUBLIC_TEXT = { 'store-full': 'The store has no room', 'store-failed': 'The store could not write' } as const;
/** How long deliveries may go unnoted when nothing else is stored. */
const MARKS_AFTER_MS = 250;

export class Journal implements UnitWriter {
  readonly #parts: JournalParts;
  #waiting: Waiting[] = [];
  #pendingBytes = 0;
  #isCommitting = false;
  /** Of the commit that the store was asked for: resolves once all that follows is done; null: there is none. */
  #concluding: Promise<void> | null = null;
  /** When what the store has been asked for was asked; null: it has answered. */
  #asked: { readonly atMs: number; readonly atEpochMs: number } | null = null;
  #commits = 0;
  #commitMs = 0;
  #isScheduled = false;
  #problem: StoreProblem | null = null;
  /** Octets of messages that the store had no room for, since the problem began: what takes less does not end it. */
  #lackedBytes = 0;
  #stopRetrying: (() => void) | null = null;
  #stopMarking: (() => void) | null = null;
  /** What may not be lost: stands in front of the next commit, and stays until one succeeds. */
  #owed: SharedOperation[] = [];
  /** Units among it, to be told when it is stored. */
  #owedUnits: Waiting[] = [];
  /** Deliveries, by stream and priority: they go along with the next commit. */
  #marks = new Map<string, Mark>();
  #isOpen = false;
  /** Those who wait until there is less on its way. */
  #held: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #before: (() => void)[] = [];

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  /**
   * @param restore is given what the store holds before anything can be written: a message of the application that came in
   * between would have a number that is in use
   * @throws what `Store.open` and `restore` throw
   */
  async open(restore?: (contents: StoreContents) => void | Promise<void>): Promise<void> {
    const contents = await this.#parts.store.open();
    this.#isOpen = true;
    // Who joined a cluster before may owe something already.
    if (this.#owed.length > 0) this.#schedule();
    // The process may have died in between.
    if (contents.lanes.some(({ stream }) => stream === PROBE_STREAM)) this.owe(PROBE_REMOVAL);
    await restore?.(contents);
  }

  /** What the store held was read, and it is not closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What is stored is other nodes' too. */
  get isShared(): boolean {
    return 'isShared' in this.#parts.store;
  }

  /** Of a store that nodes share. To be called before `open`. */
  listen(events: SharedStoreEvents): void {
    if ('isShared' in this.#parts.store) this.#parts.store.listen(events);
  }

  /** What is stored outlives the process. */
  get isLasting(): boolean {
    return this.#parts.store.isLasting ?? true;
  }

  /** Null while the store works. */
  get problem(): StoreProblem | null {
    return this.#problem ?? this.#slowness;
  }

  /** How often the store was asked to store something since start, and how long it took for all of it together. */
  get commits(): { readonly count: number; readonly totalMs: number } {
    return { count: this.#commits, totalMs: this.#commitMs };
  }

  /** Octets on their way to the store. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** So much is on its way that publishers should not be read from. */
  get isBehind(): boolean {
    return this.#pendingBytes > this.#parts.maxPendingBytes;
  }

  /** Twice that: those that could not be made to wait at once are refused from there on. */
  get isFull(): boolean {
    return this.#pendingBytes > 2 * this.#parts.maxPendingBytes;
  }

  /** Resolves once the journal is not behind any more. */
  caughtUp(): Promise<void> {
    if (!this.isBehind) return Promise.resolve();
    return new Promise((resolve) => this.#held.push(resolve));
  }

  /** Resolves once everything asked for so far is stored or refused. */
  flush(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Ends the retries; what is owed is tried once more. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    await this.flush();
    this.#isOpen = false;
    this.#stopRetrying?.();
    this.#stopMarking?.();
    const last = [...this.#owed, ...this.#marks.values()];
    if (last.length > 0) await this.#ask(last, []).catch(() => undefined);
    await this.#parts.store.close();
  }

  write(unit: WriteUnit): Promise<void> {
    if (!this.#isOpen) {
      unit.undoAll();
      return Promise.reject(new BrokerError('store-failed', 'The store is not open'));
    }
    const bytes = OPERATION_BYTES * unit.operations.length + octetsOf(unit.operations);
    this.#pendingBytes += bytes;
    const written = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ unit, bytes, resolve, reject });
    });
    this.#schedule();
    return written;
  }

  /**
   * For what nobody waits for and what may not be lost: removals, counts. When the store fails it is kept and tried again,
   * before anything asked for later.
   */
  owe(operation: SharedOperation): void {
    this.#owed.push(operation);
    this.#schedule();
  }

  /** Runs once, when the next commit is put together: what it writes goes along, behind everything else. */
  beforeNext(step: () => void): void {
    this.#before.push(step);
    this.#schedule();
  }

  /** A message was delivered: noted with the next commit, or soon. */
  mark(stream: string, priority: number, sequence: number): void {
    const key = `${priority}${stream}`;
    if (sequence <= (this.#marks.get(key)?.sequence ?? 0)) return;
    this.#marks.set(key, { kind: 'mark', stream, priority, sequence });
    this.#stopMarking ??= this.#parts.clock.every(MARKS_AFTER_MS, () => {
      if (this.#marks.size > 0 && this.#problem === null) this.#schedule();
      this.#stopMarking?.();
      this.#stopMarking = null;
    });
  }

  /** Of a store that nodes share; null: there is no such record. @throws BrokerError `store-failed` */
  async record(key: string): Promise<StoredRecord | null> {
    const { store } = this.#parts;
    return 'isShared' in store ? store.record(key) : null;
  }

  /** Of a store that nodes share: those whose key begins so. @throws BrokerError `store-failed` */
  async records(prefix: string): Promise<readonly StoredRecord[]> {
    const { store } = this.#parts;
    return 'isShared' in store ? store.records(prefix) : [];
  }

  read(
    stream: string,
    priority: number,
    afterSequence: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]> {
    const read = this.#parts.store.read(stream, priority, afterSequence, limits);
    // It holds what this commit stores, which may take effect in later turns: whoever reads it sooner has it twice.
    const earlier = this.#concluding;
    return earlier === null ? read : read.then((stored) => earlier.then(() => stored));
  }

  get #slowness(): StoreProblem | null {
    const { clock, store } = this.#parts;
    if (this.#asked === null || clock.nowMs() - this.#asked.atMs < SLOW_AFTER_MS) return null;
    const message = `${store.name}: has not answered for more than ${SLOW_AFTER_MS / 1_000} s`;
    return { code: 'store-slow', message, sinceEpochMs: this.#asked.atEpochMs };
  }

  get #isIdle(): boolean {
    return !this.#isCommitting && this.#waiting.length === 0 && (this.#owed.length === 0 || this.#problem !== null);
  }

  /** At the end of the turn: what else the turn asks for comes along. */
  #schedule(): void {
    if (this.#isScheduled || this.#isCommitting || !this.#isOpen) return;
    this.#isScheduled = true;
    this.#parts.clock.soon(() => {
      this.#isScheduled = false;
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    let isStored: boolean;
    do isStored = await this.#commitSome();
    while (this.#waiting.length > 0 || (this.#owed.length + this.#before.length > 0 && isStored));
    this.#isCommitting = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** @returns whether it was stored */
  async #commitSome(): Promise<boolean> {
    for (const step of this.#before.splice(0)) step();
    // When the store was full, what is owed may be what makes room: it goes first, alone.
    const owesAlone = this.#problem !== null && this.#owed.length > 0;
    const batch = owesAlone ? [] : this.#takeBatch();
    const [owed, units, marks] = [this.#owed, this.#owedUnits, this.#marks];
    this.#owed = [];
    this.#owedUnits = [];
    this.#marks = new Map();
    const asked = batch.flatMap(({ unit }) => unit.operations);
    const standing = [...owed, ...marks.values()];
    if (standing.length + asked.length === 0) return true;
    let conclude = (): void => undefined;
    this.#concluding = new Promise((resolve) => (conclude = resolve));
    try {
      const answer = await this.#ask(standing, batch);
      if (answer.failure === null) for (const waiting of units) await this.#stored(waiting, NO_RESULTS);
      else {
        this.#owed = [...owed, ...this.#owed];
        this.#owedUnits = [...units, ...this.#owedUnits];
        for (const [key, mark] of marks) if (!this.#marks.has(key)) this.#marks.set(key, mark);
      }
      // Nobody is let try while what is owed could not be stored.
      return await this.#conclude(owesAlone && answer.failure !== null ? this.#takeBatch() : batch, answer);
    } finally {
      this.#concluding = null;
      conclude();
    }
  }

  async #ask(standing: readonly SharedOperation[], batch: readonly Waiting[]): Promise<Answer> {
    const { clock } = this.#parts;
    const atMs = clock.nowMs();
    this.#asked = { atMs, atEpochMs: clock.epochMs() };
    const answer = await this.#commit(standing, batch);
    this.#asked = null;
    this.#commits++;
    this.#commitMs += clock.nowMs() - atMs;
    return answer;
  }

  /** @param standing what belongs to no unit of the batch; asked for again when some of it fails: that changes nothing */
  async #commit(standing: readonly SharedOperation[], batch: readonly Waiting[]): Promise<Answer> {
    const { store } = this.#parts;
    try {
      if ('isShared' in store) {
        const units = [...standing.map((operation) => [operation]), ...batch.map(({ unit }) => unit.operations)];
        const outcomes = await store.commitUnits(units);
        const late = this.#parts.caughtUp?.();
        if (late !== undefined) await late;
        const failed = outcomes.slice(0, standing.length).find(({ isDone }) => !isDone);
        return { failure: failed?.isDone === false ? failed.error : null, outcomes: outcomes.slice(standing.length) };
      }
      const asked = batch.flatMap(({ unit }) => unit.operations);
      // Operations of other kinds are asked for only where the store is shared.
      await store.commit([...standing, ...asked] as readonly StoreOperation[]);
      return { failure: null, outcomes: batch.map(() => DONE) };
    } catch (error) {
      return { failure: asFailure(error), outcomes: [] };
    }
  }

  /** Tells each unit what became of it. @returns whether the store took, or refused for good, whatever was asked */
  async #conclude(batch: readonly Waiting[], { failure, outcomes }: Answer): Promise<boolean> {
    const failed: Waiting[] = [];
    let cause = failure;
    let storedBytes = 0;
    for (const [k, waiting] of batch.entries()) {
      const outcome = outcomes[k];
      if (outcome?.isDone === true) {
        storedBytes += octetsOf(waiting.unit.operations);
        const rest = this.#stored(waiting, outcome.results);
        // Its place among others is that of its commit: those behind it wait, and so does the next commit.
        if (rest !== undefined) await rest;
      } else if (outcome === undefined || isOfStore(outcome.error)) {
        failed.push(waiting);
        cause ??= outcome?.error ?? null;
      } else this.#undo(waiting, outcome.error);
    }
    if (cause !== null) {
      this.#failed(failed, cause, octetsOf(failed.flatMap(({ unit }) => unit.operations)));
      return false;
    }
    this.#succeeded(storedBytes);
    this.#releaseHeld();
    return true;
  }

  /** @returns what resolves once all that follows is done, where that takes more than this turn */
  #stored({ unit, bytes, resolve, reject }: Waiting, results: readonly unknown[]): Promise<void> | undefined {
    this.#pendingBytes -= bytes;
    try {
      const rest = unit.applyAll(results);
      if (rest === undefined) resolve();
      return rest?.then(resolve, (error: unknown) => {
        this.#fault(error, reject);
      });
    } catch (error) {
      this.#fault(error, reject);
      return undefined;
    }
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && bytes + waiting.bytes > MAX_COMMIT_BYTES) break;
      bytes += waiting.bytes;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** @param askedBytes of messages that there was to be room for */
  #failed(batch: readonly Waiting[], error: BrokerError, askedBytes: number): void {
    if (this.#problem === null) {
      this.#parts.logger.error({ store: this.#parts.store.name, err: error }, 'the store fails');
    }
    const code = error.code === 'store-full' ? 'store-full' : 'store-failed';
    const sinceEpochMs = this.#problem?.sinceEpochMs ?? this.#parts.clock.epochMs();
    this.#problem = { code, message: error.message, sinceEpochMs };
    if (code === 'store-full') {
      this.#lackedBytes = Math.min(Math.max(this.#lackedBytes, askedBytes), MAX_PROBE_BYTES);
    }
    this.#stopRetrying ??= this.#parts.clock.every(RETRY_EVERY_MS, () => void this.#retry());
    // What the store says is for the operator: it may name files.
    const answer = new BrokerError(code, PUBLIC_TEXT[code], { cause: error });
    for (const waiting of batch) this.#refused(waiting, answer);
    this.#releaseHeld();
  }

  #refused(waiting: Waiting, error: BrokerError): void {
    if (waiting.unit.isRetried) {
      this.#owed.push(...waiting.unit.operations);
      this.#owedUnits.push(waiting);
    } else this.#undo(waiting, error);
  }

  #undo({ unit, bytes, reject }: Waiting, error: BrokerError): void {
    this.#pendingBytes -= bytes;
    try {
      unit.undoAll(error);
      reject(error);
    } catch (fault) {
      this.#fault(fault, reject);
    }
  }

  /** @param storedBytes of messages: that an ACK could be written says nothing of room for the next message */
  #succeeded(storedBytes: number): void {
    if (this.#problem === null || storedBytes < this.#lackedBytes) return;
    this.#parts.logger.info({ store: this.#parts.store.name }, 'the store works again');
    this.#problem = null;
    this.#lackedBytes = 0;
    this.#stopRetrying?.();
    this.#stopRetrying = null;
  }

  async #retry(): Promise<void> {
    if (this.#isCommitting) return;
    this.#isCommitting = true;
    if (this.#owed.length === 0) await this.#probe();
    await this.#commitAll();
  }

  /** Asks for as much room as there was not. Apart from what is owed, which may need none. */
  async #probe(): Promise<void> {
    const bytes = this.#lackedBytes;
    try {
      await this.#parts.store.commit([probe(bytes)]);
      this.#owed.push(PROBE_REMOVAL);
      this.#succeeded(bytes);
    } catch (error) {
      this.#failed([], asFailure(error), bytes);
    }
  }

  /** What a step throws is a fault of ours; it must not keep the others from being done. */
  #fault(error: unknown, reject: (error: BrokerError) => void): void {
    this.#parts.logger.error({ err: error }, 'internal error behind a commit');
    reject(new BrokerError('internal', 'A fault of the server', { cause: error }));
  }

  #releaseHeld(): void {
    if (this.#held.length === 0 || this.isBehind) return;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

function asFailure(cause: unknown): BrokerError {
  return cause instanceof BrokerError ? cause : new BrokerError('store-failed', String(cause), { cause });
}

/** Whether it is the store that is in trouble, not the unit. */
function isOfStore({ code }: BrokerError): boolean {
  return code === 'store-failed' || code === 'store-full';
}

/** Of the messages among them. */
function octetsOf(operations: readonly SharedOperation[]): number {
  return operations.reduce((sum, each) => sum + ('message' in each ? each.message.octets.length : 0), 0);
}
