/**
 * How good connections are: round trip and jitter of pings that pages send and measure themselves. STOMP's heart-beats are
 * not answered, so they show no round trip.
 */

/** Of one session. */
export interface Quality {
  readonly session: string;
  readonly userId: string | null;
  readonly pings: number;
  /** The latest, in ms. */
  readonly roundTripMs: number;
  /** Mean difference of one round trip from the next, smoothed as in RFC 3550. */
  readonly jitterMs: number;
}

export interface QualitySummary {
  readonly sessions: number;
  /** Over sessions; null when there is none. */
  readonly medianRoundTripMs: number | null;
  readonly worst: readonly Quality[];
}

/** RFC 3550, 6.4.1. */
const SMOOTHING = 16;
const WORST = 10;

export class ConnectionQuality {
  readonly #sessions = new Map<string, Quality>();

  note(session: string, userId: string | null, roundTripMs: number): void {
    const before = this.#sessions.get(session);
    const step = before === undefined ? 0 : Math.abs(roundTripMs - before.roundTripMs) - before.jitterMs;
    const jitterMs = before === undefined ? 0 : before.jitterMs + step / SMOOTHING;
    this.#sessions.set(session, { session, userId, pings: (before?.pings ?? 0) + 1, roundTripMs, jitterMs });
  }

  forget(session: string): void {
    this.#sessions.delete(session);
  }

  /** The worst first. */
  summary(): QualitySummary {
    const all = [...this.#sessions.values()].sort((a, b) => b.roundTripMs - a.roundTripMs);
    const middle = all[Math.floor(all.length / 2)];
    return { sessions: all.length, medianRoundTripMs: middle?.roundTripMs ?? null, worst: all.slice(0, WORST) };
  }
}
