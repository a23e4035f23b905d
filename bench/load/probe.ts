/** Making sure that subscriptions are there, also at servers that do not tell: messages until each has come through. */

/** Between two tries, and of silence after the last. */
const QUIET_MS = 300;
const POLL_MS = 5;
const GIVE_UP_MS = 60_000;

export interface Probe {
  /** Sends to everybody who has not been reached; returns how many deliveries are to come of it. */
  readonly send: () => number;
  /** Deliveries that have come so far, since the probe began. */
  readonly received: () => number;
  readonly isReached: () => boolean;
}

/** Resolves when everybody has been reached and nothing is under way any more. */
export async function probe({ send, received, isReached }: Probe): Promise<void> {
  const start = performance.now();
  let expected = send();
  let last = { received: 0, ms: start };
  while (received() < expected) {
    const now = performance.now();
    if (now - start > GIVE_UP_MS) throw new Error(`${received()} of ${expected} messages arrive`);
    if (received() !== last.received) last = { received: received(), ms: now };
    if (now - last.ms > QUIET_MS) {
      if (isReached()) return;
      expected += send();
      last.ms = now;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
