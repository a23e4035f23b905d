/** Waits for a state of somebody else's process that cannot tell of itself: by asking again and again, with a deadline. */
import { setTimeout as wait } from 'node:timers/promises';

const DEADLINE_MS = 20_000;
const PAUSE_MS = 20;

/** @param what named when the deadline has passed @param holds asked until it is true; what it rejects with counts as false */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      if (await holds()) return;
    } catch {
      // Not yet.
    }
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await wait(PAUSE_MS);
  }
}
