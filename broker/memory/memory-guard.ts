/**
 * The memory budget of a node: looks several times a second how much its processes take, and sheds load in stages rather
 * than let one end. Who sheds what is LoadShedding's and the sessions' business; here is when.
 */
import { BrokerError } from '../errors.js';
import type { Clock, Logger, MemoryUsage, ProcessMemory } from '../ports.js';
import { STAGE_OPTIONS, type MemoryOptions } from './memory-options.js';

/** In the order in which they are reached; each does what those before it do. */
export const MEMORY_STAGES = [
  'normal',
  'refusing-connections',
  'pausing-publishers',
  'dropping-messages',
  'disconnecting',
] as const;
const [REFUSING, PAUSING, DROPPING, DISCONNECTING] = [1, 2, 3, 4];

/** What is nearest to its end: the broker's heap, that of a worker, or all memory. */
export type ScarceMemory = 'heap' | 'total' | 'worker-heap';

/** What gives memory back. */
export interface Relief {
  /** Messages that may give way do. */
  drop(): void;
  /**
   * Of the sessions for whom much is held, some go: those with most.
   * @param stuckMs those alone that have taken nothing for so long
   * @returns how many
   */
  disconnectWorst(stuckMs: number): number;
}

export interface MemoryGuardParts {
  readonly memory: ProcessMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly relief: Relief;
  /** Called at each look, for what is counted a little at a time. */
  readonly onLook: () => void;
}

/** What is wrong, for `health()`. */
export interface MemoryProblem {
  readonly code: 'memory-low';
  readonly message: string;
  readonly sinceEpochMs: number;
}

/** A publisher at full speed fills some MB meanwhile; a look costs 20 µs. */
const LOOK_EVERY_MS = 100;
/** A stage is left only when so much less of the budget is taken than where it begins. */
const HYSTERESIS = 0.04;
/** Of V8's limit: above it V8 ends a process that finds little garbage several times in a row, before its heap is full. */
const HEAP_PART = 0.8;
/** Of the machine or container: the rest is code, stacks, threads, and what the allocator keeps. */
const TOTAL_PART = 0.8;
/** Who is paused makes no garbage, and V8 then sees no reason to look for any: so it is asked to, this rarely. */
const COLLECT_EVERY_MS = 1_000;
/** Asking costs at most a twentieth of the time; */
const COLLECT_PART = 20;
/** and becomes rarer where it is of no use, */
const COLLECT_SELDOM_MS = 10_000;
/** or where connections alone are refused. */
const COLLECT_IDLE_MS = 30_000;
/** Publishers wait for so long before those go who take nothing: they would wait for ever. */
const PATIENCE_MS = 2_000;
/** Then some at a time. */
const RELIEF_EVERY_MS = 500;
/** Of the worst as well where there are workers: what one of them gained is told later, and until then it looks taken. */
const WORST_EVERY_MS = 500;
/** Connections that are let in even so, as consumers of queues may be what is missing. */
const LET_IN_PER_SECOND = 10;
/** When who was refused should try again. */
const RETRY_AFTER_MS = 5_000;
/** What a consumer sends may be what frees memory, though it publishes too: so it is read now and then. */
const SIP_EVERY_MS = 1_000;
/** Publishers that go on at one look, at least: all at once would fill what was just gained. */
const RELEASED_AT_ONCE = 16;

const WORDS: readonly string[] = [
  '',
  'connections are refused',
  'publishers are paused',
  'messages are dropped',
  'sessions are disconnected',
];

export class MemoryGuard {
  readonly #parts: MemoryGuardParts;
  readonly #thresholds: readonly number[];
  readonly heapBudgetBytes: number;
  readonly budgetBytes: number;
  #stop: (() => void) | null = null;
  #usage: MemoryUsage;
  #used = 0;
  #scarce: ScarceMemory = 'heap';
  #stage = 0;
  #sinceEpochMs = 0;
  #stageSinceMs = 0;
  #reliefAtMs = 0;
  #worstAtMs = 0;
  #lettingInSinceMs = 0;
  #letIn = 0;
  #collectAtMs = 0;
  /** Whatever the reason, not before. */
  #mayCollectAtMs = 0;
  #waiting: (() => void)[] = [];
  /** Consumers, by when they are read again. */
  #sipping: { readonly dueMs: number; readonly resolve: () => void }[] = [];
  /** Times that a publisher was not read from, since start. */
  pauses = 0;

  constructor(options: MemoryOptions, parts: MemoryGuardParts) {
    this.#parts = parts;
    const { memory } = parts;
    this.#thresholds = [0, ...STAGE_OPTIONS.map((option) => options[option])];
    this.heapBudgetBytes = memory.heapLimitBytes * HEAP_PART;
    this.budgetBytes = options.budgetBytes === 0 ? memory.totalLimitBytes * TOTAL_PART : options.budgetBytes;
    this.#usage = memory.usage();
  }

  /** As of the last look. */
  get usage(): MemoryUsage {
    return this.#usage;
  }

  /** Part of the budget that is taken, of the one that is nearer to its end. */
  get used(): number {
    return this.#used;
  }

  /** Which one that is. */
  get scarce(): ScarceMemory {
    return this.#scarce;
  }

  /** Place in MEMORY_STAGES. */
  get stage(): number {
    return this.#stage;
  }

  get problem(): MemoryProblem | null {
    if (this.#stage < REFUSING) return null;
    const worker = this.#scarceWorker;
    const whose = worker === undefined ? 'Memory' : `Memory of worker ${worker}`;
    const message = `${whose} is short: ${WORDS[this.#stage] ?? ''}`;
    return { code: 'memory-low', message, sinceEpochMs: this.#sinceEpochMs };
  }

  /** Why a new connection is not let in; null when it is, as a few are always. */
  refusal(): BrokerError | null {
    if (this.#stage < REFUSING) return null;
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs - this.#lettingInSinceMs >= 1_000) [this.#lettingInSinceMs, this.#letIn] = [nowMs, 0];
    if (this.#letIn++ < LET_IN_PER_SECOND) return null;
    const message = 'The server is short of memory';
    return new BrokerError('memory-low', message, { retryAfterMs: RETRY_AFTER_MS });
  }

  /** A refusal itself would cost too much. */
  get isCurt(): boolean {
    return this.#stage >= DROPPING;
  }

  get isPausing(): boolean {
    return this.#stage >= PAUSING;
  }

  /** Publishers that are not read from at the moment. */
  get pausedCount(): number {
    return this.#waiting.length + this.#sipping.length;
  }

  start(): void {
    this.#stop ??= this.#parts.clock.every(LOOK_EVERY_MS, () => {
      this.#look();
    });
  }

  /** Nobody waits for memory any more. */
  stop(): void {
    this.#stop?.();
    this.#stop = null;
    this.#stage = 0;
    this.#release(Infinity);
  }

  /**
   * Resolves when publishers are read again, some at a time.
   * @param isConsumer what it sends may be ACKs: it is read once a second even so
   */
  released(isConsumer: boolean): Promise<void> {
    this.pauses++;
    return new Promise((resolve) => {
      if (isConsumer) this.#sipping.push({ dueMs: this.#parts.clock.nowMs() + SIP_EVERY_MS, resolve });
      else this.#waiting.push(resolve);
    });
  }

  #look(): void {
    const { relief, clock } = this.#parts;
    this.#parts.onLook();
    this.#measure();
    const nowMs = clock.nowMs();
    if (this.#stage >= REFUSING && this.#wantsCollection(nowMs)) this.#collect(nowMs);
    if (this.#stage >= DROPPING) relief.drop();
    if (this.#stage >= DISCONNECTING) this.#disconnectNow(nowMs);
    else if (this.#stage >= PAUSING && nowMs >= this.#reliefAtMs) {
      this.#reliefAtMs = nowMs + RELIEF_EVERY_MS;
      relief.drop();
      this.#disconnect(PATIENCE_MS);
    }
    while (this.#sipping.length > 0 && (this.#sipping[0]?.dueMs ?? 0) <= nowMs) this.#sipping.shift()?.resolve();
    if (this.#stage < PAUSING) this.#release(Math.max(RELEASED_AT_ONCE, this.pausedCount / 4));
  }

  #disconnectNow(nowMs: number): void {
    if (nowMs < this.#worstAtMs) return;
    const hasWorkers = (this.#usage.fullestWorker ?? null) !== null;
    if (hasWorkers) this.#worstAtMs = nowMs + WORST_EVERY_MS;
    this.#disconnect(0);
  }

  /** What they held is garbage now: worth asking for. */
  #disconnect(stuckMs: number): void {
    if (this.#parts.relief.disconnectWorst(stuckMs) > 0) this.#collectAtMs = this.#mayCollectAtMs;
  }

  #measure(): void {
    const usage = this.#parts.memory.usage();
    this.#usage = usage;
    const { fullestWorker: worker = null } = usage;
    const parts: Readonly<Record<ScarceMemory, number>> = {
      heap: usage.heapBytes / this.heapBudgetBytes,
      total: usage.totalBytes / this.budgetBytes,
      'worker-heap': worker === null ? 0 : worker.heapBytes / (worker.heapLimitBytes * HEAP_PART),
    };
    this.#scarce = parts.total > parts.heap ? 'total' : 'heap';
    if (parts['worker-heap'] > parts[this.#scarce]) this.#scarce = 'worker-heap';
    this.#used = parts[this.#scarce];
    let stage = 0;
    for (const [k, from] of this.#thresholds.entries()) {
      if (this.#used >= from - (k > 0 && k <= this.#stage ? HYSTERESIS : 0)) stage = k;
    }
    if (stage !== this.#stage) this.#enter(stage);
  }

  /** Whose heap is the one that is scarce. */
  get #scarceWorker(): number | undefined {
    return this.#scarce === 'worker-heap' ? this.#usage.fullestWorker?.worker : undefined;
  }

  #enter(stage: number): void {
    const { logger, clock } = this.#parts;
    const wasPausing = this.isPausing;
    if (this.#stage === 0) this.#sinceEpochMs = clock.epochMs();
    const isWorse = stage > this.#stage;
    this.#stage = stage;
    this.#stageSinceMs = clock.nowMs();
    if (!wasPausing && this.isPausing) this.#reliefAtMs = this.#stageSinceMs + PATIENCE_MS;
    const { heapBytes, totalBytes, residentBytes } = this.#usage;
    const [heapBudgetBytes, budgetBytes] = [Math.round(this.heapBudgetBytes), Math.round(this.budgetBytes)];
    const worker = this.#scarceWorker;
    const fields = {
      stage: MEMORY_STAGES[stage],
      heapBytes,
      heapBudgetBytes,
      totalBytes,
      budgetBytes,
      residentBytes,
      ...(worker === undefined ? {} : { worker }),
    };
    if (isWorse) logger.warn(fields, `memory is short: ${WORDS[stage] ?? ''}`);
    else logger.info(fields, stage === 0 ? 'memory is enough again' : `memory is less short: ${WORDS[stage] ?? ''}`);
  }

  /** At once where somebody would be disconnected for what may be garbage. */
  #wantsCollection(nowMs: number): boolean {
    if (nowMs < this.#collectAtMs) return false;
    if (this.#stage >= DISCONNECTING) return true;
    const lastedMs = nowMs - this.#stageSinceMs;
    return lastedMs >= (this.#stage >= PAUSING ? COLLECT_EVERY_MS : COLLECT_SELDOM_MS);
  }

  #collect(nowMs: number): void {
    const { memory, clock } = this.#parts;
    const before = this.#used;
    memory.collect();
    const tookMs = clock.nowMs() - nowMs;
    this.#measure();
    const wasOfUse = before - this.#used >= HYSTERESIS || this.#stage >= DISCONNECTING;
    const seldomMs = this.#stage >= PAUSING ? COLLECT_SELDOM_MS : COLLECT_IDLE_MS;
    const everyMs = wasOfUse ? COLLECT_EVERY_MS : seldomMs;
    this.#mayCollectAtMs = nowMs + Math.max(COLLECT_EVERY_MS, tookMs * COLLECT_PART);
    this.#collectAtMs = Math.max(this.#mayCollectAtMs, nowMs + everyMs);
  }

  #release(count: number): void {
    for (const { resolve } of this.#sipping.splice(0)) resolve();
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }
}
