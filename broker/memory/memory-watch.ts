/**
 * A node's memory budget, put together: what the process takes decides (MemoryGuard), what the broker can do without is shed
 * (LoadShedding), and what it holds is counted, for whoever asks what the memory is for (HeldMemory).
 */
import type { OperatedSession } from '../operations/operated-session.js';
import type { Clock, Logger, ProcessMemory } from '../ports.js';
import type { SessionRegistry } from '../session-registry.js';
import { HeldMemory, type HeldBytes } from './held-memory.js';
import { LoadShedding } from './load-shedding.js';
import { MemoryGuard, type ScarceMemory } from './memory-guard.js';
import type { MemoryOptions } from './memory-options.js';

/**
 * As of the last look, a tenth of a second ago at most. Over several nodes the sums; `stage`, `used` and `scarce` are of
 * the node that is worst off.
 */
export interface MemorySnapshot {
  /** How far load is shed: 0 not at all, 1 connections are refused, 2 publishers paused, 3 messages dropped, 4 sessions ended. */
  readonly stage: number;
  /** Part of its budget that is taken of what is nearest to its end, and which that is; 1 is all. */
  readonly used: number;
  readonly scarce: ScarceMemory;
  /** Of V8's heap in the broker's process, and what may be used of it. */
  readonly heapBytes: number;
  readonly heapBudgetBytes: number;
  /** Heap and buffers of all processes of the server, and what they may take. */
  readonly totalBytes: number;
  readonly budgetBytes: number;
  readonly residentBytes: number;
  /** What for. */
  readonly held: HeldBytes;
  /** Publishers that are not read from, now and since start. */
  readonly pausedPublishers: number;
  readonly pauses: number;
}

/** What destinations hold; implemented by Router. */
export interface DestinationMemory {
  readonly histories: { readonly bytes: number; shed(): void };
  readonly inbox: { readonly snapshot: { readonly bytes: number } };
  readonly known: {
    /** Octets of messages in memory, of one queue after the other; live. */
    queueMemory(): IterableIterator<number>;
  };
  /** Adds to each session's octets what its subscriptions wait to acknowledge first. */
  addWaiting(bytesOf: Map<string, number>): void;
}

export interface MemoryWatchParts {
  readonly memory: ProcessMemory;
  readonly registry: SessionRegistry<OperatedSession>;
  readonly destinations: DestinationMemory;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MemoryWatch {
  readonly guard: MemoryGuard;
  readonly #held: HeldMemory;

  constructor(options: MemoryOptions, { memory, registry, destinations, clock, logger }: MemoryWatchParts) {
    const { histories, inbox } = destinations;
    const addWaiting = (bytesOf: Map<string, number>): void => {
      destinations.addWaiting(bytesOf);
    };
    const held = new HeldMemory({
      sessions: () => registry.values(),
      queueBytes: () => destinations.known.queueMemory(),
      historyBytes: () => histories.bytes,
      inboxBytes: () => inbox.snapshot.bytes,
    });
    const relief = new LoadShedding({ registry, histories, addWaiting, clock });
    const onLook = (): void => {
      held.step();
    };
    this.guard = new MemoryGuard(options, { memory, clock, logger, relief, onLook });
    this.#held = held;
  }

  get snapshot(): MemorySnapshot {
    const { stage, used, scarce, usage, heapBudgetBytes, budgetBytes, pausedCount, pauses } = this.guard;
    return {
      stage,
      used,
      scarce,
      heapBytes: Math.round(usage.heapBytes),
      heapBudgetBytes: Math.round(heapBudgetBytes),
      totalBytes: Math.round(usage.totalBytes),
      budgetBytes: Math.round(budgetBytes),
      residentBytes: usage.residentBytes,
      held: this.#held.bytes,
      pausedPublishers: pausedCount,
      pauses,
    };
  }
}

/** @param sum of the numbers of `all` */
export function withWorstStage(sum: MemorySnapshot, all: readonly MemorySnapshot[]): MemorySnapshot {
  let worst: MemorySnapshot | undefined;
  for (const each of all) {
    const isWorse = worst === undefined || each.stage > worst.stage;
    if (isWorse || (each.stage === worst?.stage && each.used > worst.used)) worst = each;
  }
  if (worst === undefined) return sum;
  const { stage, used, scarce } = worst;
  return { ...sum, stage, used, scarce };
}
