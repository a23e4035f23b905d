/** Who did what through the admin API, and what came of it: a line in the log for each, and the last ones in memory. */
import type { Clock, Logger } from '../../broker/ports.js';
import type { AdminRole } from './admin-access.js';

export interface AuditEntry {
  /** Counts from 1. */
  readonly number: number;
  readonly at: string;
  /** Name of the token, or the user that the JWT names. */
  readonly actor: string;
  readonly role: AdminRole;
  readonly address: string;
  /** As the API's document names the operation. */
  readonly operation: string;
  /** What it was done to; never a message's body, never a secret. */
  readonly subject: Readonly<Record<string, unknown>>;
  /** `done`, or the code of the problem that refused it. */
  readonly outcome: string;
}

export class AuditLog {
  readonly #clock: Pick<Clock, 'epochMs'>;
  readonly #logger: Logger;
  readonly #maxEntries: number;
  #entries: AuditEntry[] = [];
  #count = 0;

  /** @param maxEntries kept in memory; the log has them all */
  constructor(maxEntries: number, clock: Pick<Clock, 'epochMs'>, logger: Logger) {
    this.#maxEntries = maxEntries;
    this.#clock = clock;
    this.#logger = logger;
  }

  get size(): number {
    return this.#entries.length;
  }

  add(entry: Omit<AuditEntry, 'number' | 'at'>): void {
    const numbered = { number: ++this.#count, at: new Date(this.#clock.epochMs()).toISOString(), ...entry };
    this.#logger.info({ audit: numbered }, 'admin act');
    this.#entries.push(numbered);
    // In steps: cutting one off the front each time would move all the others.
    if (this.#entries.length >= this.#maxEntries * 2) this.#entries = this.#entries.slice(-this.#maxEntries);
  }

  /** Oldest first. */
  entries(): readonly AuditEntry[] {
    return this.#maxEntries === 0 ? [] : this.#entries.slice(-this.#maxEntries);
  }
}
