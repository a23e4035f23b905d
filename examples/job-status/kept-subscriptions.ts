/** What users were subscribed to, kept for a while after their last connection is gone: a reconnect goes on with it. */
import type { Broker, Clock } from '../../adapters/index.js';

const KEEP_MS = 300_000;
const MAX_USERS = 10_000;

interface Kept {
  readonly destinations: Set<string>;
  /** Null while the user is connected. */
  goneMs: number | null;
}

export class KeptSubscriptions {
  readonly #users = new Map<string, Kept>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Follows the broker's sessions. */
  watch(broker: Broker): void {
    broker.events.on('disconnect', ({ session }) => {
      const name = session.user?.name ?? '';
      const kept = this.#users.get(name);
      if (kept !== undefined && broker.users.get(name) === undefined) kept.goneMs = this.#clock.nowMs();
    });
  }

  add(user: string, destination: string): void {
    let kept = this.#users.get(user);
    if (kept === undefined) this.#users.set(user, (kept = { destinations: new Set(), goneMs: null }));
    kept.destinations.add(destination);
    const [oldest] = this.#users.keys();
    if (this.#users.size > MAX_USERS && oldest !== undefined) this.#users.delete(oldest);
  }

  delete(user: string, destination: string): void {
    this.#users.get(user)?.destinations.delete(destination);
  }

  /** What a user who comes back had; nothing for a second connection beside the first. */
  resume(user: string): readonly string[] {
    const kept = this.#users.get(user);
    if (kept?.goneMs === null || kept === undefined) return [];
    const isRecent = this.#clock.nowMs() - kept.goneMs < KEEP_MS;
    kept.goneMs = null;
    if (!isRecent) kept.destinations.clear();
    return [...kept.destinations];
  }
}
