/**
 * The shared queues that have consumers on this node, and what concerns all of them: being told of what other nodes publish
 * and give back, nodes that come and go, and messages that expire while nobody takes them.
 */
import { WheelTimer } from '../wheel-timer.js';
import type { QueueOptions } from '../queue-options.js';
import { WriteUnit } from '../storage/write-unit.js';
import { SharedQueue, type SharedQueueParts } from './shared-queue.js';

export interface SharedQueuesParts extends Omit<SharedQueueParts, 'onConsumed' | 'onExpiring' | 'tenure'> {
  /** The queue of a stream that nobody here consumes; undefined: it is none of this node's options. */
  readonly find: (stream: string) => SharedQueue | undefined;
}

/** Should a notice have been lost, it is noticed then; and other nodes' expired messages. */
const LOOK_EVERY_MS = 1_000;
/** Whoever waits asks again after so many looks. */
const LOOKS_PER_QUESTION = 5;

export class SharedQueues {
  readonly #parts: SharedQueuesParts;
  /** With consumers, by stream. */
  readonly #consumed = new Map<string, SharedQueue>();
  #looks = 0;
  #tenure = 0;
  /** When the next message that was published here expires, by the node's clock. */
  readonly #expiry = new WheelTimer(() => {
    this.#findOverdue();
  });
  #stopLooking: (() => void) | null = null;

  constructor(parts: SharedQueuesParts) {
    this.#parts = parts;
  }

  create(destination: string, stream: string, options: QueueOptions): SharedQueue {
    return new SharedQueue(destination, stream, options, {
      ...this.#parts,
      onConsumed: (queue, isConsumed) => {
        if (isConsumed) this.#consumed.set(stream, queue);
        else if (this.#consumed.get(stream) === queue) this.#consumed.delete(stream);
      },
      tenure: () => this.#tenure,
      onExpiring: (epochMs) => {
        this.#watchExpiry(epochMs);
      },
    });
  }

  start(): void {
    this.#stopLooking ??= this.#parts.clock.every(LOOK_EVERY_MS, () => {
      this.#look();
    });
  }

  stop(): void {
    this.#stopLooking?.();
    this.#stopLooking = null;
    this.#parts.wheel.cancel(this.#expiry);
  }

  /** The store says that something waits. */
  onWake(stream: string): void {
    const queue = this.#consumed.get(stream);
    if (queue === undefined) this.#parts.journal.owe({ kind: 'queue-leave', stream });
    else queue.wake();
  }

  /** Notices may have been lost, or this node is among the others again: who waits asks again. */
  lookAgain(): void {
    for (const queue of [...this.#consumed.values()]) queue.look();
  }

  /** This node is one of the others now. What those claimed that are none any more goes back. */
  onJoined(): void {
    this.#parts.journal.owe({ kind: 'queue-reclaim', incarnation: null });
    this.lookAgain();
  }

  /** The others have given this node up. */
  onGivenUp(): void {
    this.#tenure++;
    for (const queue of this.#consumed.values()) queue.forfeit();
  }

  onNodeGone(incarnation: string): void {
    this.#parts.journal.owe({ kind: 'queue-reclaim', incarnation });
  }

  #look(): void {
    this.#findOverdue();
    if (++this.#looks % LOOKS_PER_QUESTION === 0) this.lookAgain();
  }

  #watchExpiry(epochMs: number): void {
    const { wheel, clock } = this.#parts;
    const dueMs = clock.nowMs() + Math.max(1, epochMs - clock.epochMs());
    if (this.#expiry.wheelSlot < 0 || dueMs < this.#expiry.dueMs) wheel.schedule(this.#expiry, dueMs);
  }

  #findOverdue(): void {
    if (this.#parts.journal.problem !== null) return;
    const unit = new WriteUnit(this.#parts.journal);
    unit.ask({ kind: 'queue-overdue' }, (result) => {
      for (const stream of result as readonly string[]) {
        (this.#consumed.get(stream) ?? this.#parts.find(stream))?.expire();
      }
    });
    unit.submit()?.catch(() => undefined);
  }
}
