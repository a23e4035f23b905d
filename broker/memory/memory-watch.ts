/**
 * A node's memory budget, put together: what the process takes decides (MemoryGuard), what the broker can do without is shed
 * (LoadShedding), and what it holds is counted, for whoever asks what the memory is for (HeldMemory).
 */
import type { OperatedSession } from '../operations/operated-session.js';
import type { Clock, Logger, ProcessMemory } from '../ports.js';
import type { SessionRegistry } from '../session-registry.js';
import { HeldMemory, type HeldBytes } from './held-memory.js';
import { LoadShedding } from './load-shedding.js';
import { MemoryGuard } from './memory-guard.js';
import type { MemoryOptions } from './memory-options.js';

/** As of the last look, a tenth of a second ago at most; over several nodes the sums. */
export interface MemorySnapshot {
  /** How far load is shed: 0 not at all, 1 connections are refused, 2 publishers paused, 3 messages dropped, 4 sessions ended. */
  readonly stage: number;
  /** Of V8's heap, and what may be used of it. */
  readonly heapBytes: number;
  readonly heapBudgetBytes: number;
  /** Heap and buffers, and what they may take. */
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
  /** Octets of messages in memory, of one queue after the other; live. */
  queueMemory(): IterableIterator<number>;
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
      queueBytes: () => destinations.queueMemory(),
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
    const { stage, usage, heapBudgetBytes, budgetBytes, pausedCount, pauses } = this.guard;
    const budgets = { heapBudgetBytes: Math.round(heapBudgetBytes), budgetBytes: Math.round(budgetBytes) };
    return { stage, ...usage, ...budgets, held: this.#held.bytes, pausedPublishers: pausedCount, pauses };
  }
}
