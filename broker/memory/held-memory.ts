/**
 * What the broker holds, by kind: counted by walking over sessions and destinations, some of them at each look, so that a
 * hundred thousand cost no turn more than a few. Octets count for everybody who waits for them, though they are there once.
 */
export interface HeldBytes {
  /** Waiting for clients, with the broker. */
  readonly outboxes: number;
  /** With transports, not sent yet. */
  readonly transports: number;
  /** Received and not taken on: parts of frames, what was sent by clients that wait, open transactions. */
  readonly inputs: number;
  /** Messages in queues, stored ones only as far as they are in memory. */
  readonly queues: number;
  /** What topics keep. */
  readonly histories: number;
  /** For users who are away. */
  readonly inboxes: number;
}

export interface HeldMemoryParts {
  /** Live. */
  readonly sessions: () => IterableIterator<{
    readonly queuedBytes: number;
    readonly transportBytes: number;
    readonly inputBytes: number;
  }>;
  /** Octets of queues' messages in memory, one after the other; live. */
  readonly queueBytes: () => IterableIterator<number>;
  readonly historyBytes: () => number;
  readonly inboxBytes: () => number;
}

/** Looked at in one step, of each kind: 0.1 ms. */
const STEP = 2_000;

export class HeldMemory {
  readonly #parts: HeldMemoryParts;
  #sessions: ReturnType<HeldMemoryParts['sessions']> | null = null;
  #queues: IterableIterator<number> | null = null;
  #counting = { outboxes: 0, transports: 0, inputs: 0 };
  #countingQueues = 0;
  #counted = { outboxes: 0, transports: 0, inputs: 0 };
  #countedQueues = 0;

  constructor(parts: HeldMemoryParts) {
    this.#parts = parts;
  }

  /** Of the last walks that came to their end. */
  get bytes(): HeldBytes {
    const { historyBytes, inboxBytes } = this.#parts;
    return { ...this.#counted, queues: this.#countedQueues, histories: historyBytes(), inboxes: inboxBytes() };
  }

  /** Some steps further. */
  step(): void {
    this.#stepSessions();
    this.#stepQueues();
  }

  #stepSessions(): void {
    this.#sessions ??= this.#parts.sessions();
    const counting = this.#counting;
    for (let k = 0; k < STEP; k++) {
      const next = this.#sessions.next();
      if (next.done === true) {
        this.#counted = counting;
        this.#counting = { outboxes: 0, transports: 0, inputs: 0 };
        this.#sessions = null;
        return;
      }
      const { queuedBytes, transportBytes, inputBytes } = next.value;
      counting.outboxes += queuedBytes;
      counting.transports += transportBytes;
      counting.inputs += inputBytes;
    }
  }

  #stepQueues(): void {
    this.#queues ??= this.#parts.queueBytes();
    for (let k = 0; k < STEP; k++) {
      const next = this.#queues.next();
      if (next.done === true) {
        this.#countedQueues = this.#countingQueues;
        this.#countingQueues = 0;
        this.#queues = null;
        return;
      }
      this.#countingQueues += next.value;
    }
  }
}
