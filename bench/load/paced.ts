/** Sending at a fixed rate: each message when it is due, those that are overdue at once. */

/** Timers are late by up to a millisecond or two; from here on the event loop is asked at every turn. */
const SPIN_MS = 2;

/** @param start of `performance.now()`, when the first is due */
export function sendPaced(start: number, intervalMs: number, messages: number, send: () => void): void {
  let sent = 0;
  const step = (): void => {
    const elapsed = performance.now() - start;
    for (; sent < messages && sent * intervalMs <= elapsed; sent++) send();
    if (sent >= messages) return;
    const waitMs = sent * intervalMs - (performance.now() - start);
    if (waitMs > SPIN_MS) setTimeout(step, waitMs - SPIN_MS);
    else setImmediate(step);
  };
  step();
}
