/** What the broker can do without when memory is short: messages that may give way, histories, and sessions. */
import type { OperatedSession } from '../operations/operated-session.js';
import type { SessionRegistry } from '../session-registry.js';
import type { Clock } from '../ports.js';
import type { Relief } from './memory-guard.js';

export interface LoadSheddingParts {
  readonly registry: SessionRegistry<OperatedSession>;
  readonly histories: { shed(): void };
  /** Adds to each session what waits for its acknowledgements. */
  readonly addWaiting: (bytesOf: Map<string, number>) => void;
  readonly clock: Clock;
}

/** Whose end would give back less than this stays. */
const WORTH_ENDING_BYTES = 64 * 1024;
/** Of those worth it, one in so many goes at a time: what they hold is mostly the same messages. */
const PART = 8;
const MOST_AT_ONCE = 200;
/** Half of the histories goes, then half of what is left. */
const HISTORIES_EVERY_MS = 1_000;

export class LoadShedding implements Relief {
  readonly #parts: LoadSheddingParts;
  #historiesAtMs = 0;

  constructor(parts: LoadSheddingParts) {
    this.#parts = parts;
  }

  drop(): void {
    const { registry, histories, clock } = this.#parts;
    for (const session of registry.values()) if (session.queuedBytes > 0) session.giveWay();
    if (clock.nowMs() < this.#historiesAtMs) return;
    this.#historiesAtMs = clock.nowMs() + HISTORIES_EVERY_MS;
    histories.shed();
  }

  disconnectWorst(stuckMs: number): number {
    const { registry, addWaiting, clock } = this.#parts;
    const stuckSinceMs = clock.nowMs() - stuckMs;
    const waiting = new Map<string, number>();
    addWaiting(waiting);
    const worst: { readonly session: OperatedSession; readonly bytes: number }[] = [];
    for (const session of registry.values()) {
      const written = session.queuedBytes + session.transportBytes + session.unsettledBytes;
      const waits = waiting.get(session.id) ?? 0;
      const isStuck = stuckMs === 0 || session.lastWriteMs <= stuckSinceMs || waits >= WORTH_ENDING_BYTES;
      const bytes = written + waits + session.inputBytes;
      if (isStuck && bytes >= WORTH_ENDING_BYTES) worst.push({ session, bytes });
    }
    worst.sort((a, b) => b.bytes - a.bytes);
    const count = Math.min(MOST_AT_ONCE, Math.ceil(worst.length / PART));
    for (const { session, bytes } of worst.slice(0, count)) session.endForMemory(bytes);
    return count;
  }
}
