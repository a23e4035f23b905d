/**
 * Idempotent SEND: a message whose `message-key` was seen within the window is taken for the same one sent again: it has
 * its RECEIPT and is not delivered twice. Keys are of one sender and one destination, so that nobody can suppress what
 * another sends. A key counts from when its message has taken effect; one that is refused leaves it free.
 */
import { createHash } from 'node:crypto';
import { BrokerError } from './errors.js';
import { OldestFirstMap } from './oldest-first-map.js';
import type { Headers } from '../protocol/index.js';
import type { Clock, KeysResult, StoredRecord } from './ports.js';
import type { BrokerStats } from './stats.js';
import type { Journal } from './storage/journal.js';
import { WriteUnit } from './storage/write-unit.js';

export interface IdempotencyOptions {
  /** How long a key is remembered, in ms; 0 is not at all. */
  readonly windowMs: number;
  /** Keys remembered; above it the oldest is forgotten. */
  readonly maxKeys: number;
  /** Longest `message-key`, in octets. */
  readonly maxKeyBytes: number;
}

// Two minutes outlast the reconnect of a client and the restart of a server.
export const DEFAULT_IDEMPOTENCY_OPTIONS: IdempotencyOptions = {
  windowMs: 120_000,
  maxKeys: 100_000,
  maxKeyBytes: 256,
};

/** Something to be published. */
export interface Keyed {
  /** As `read` made it; null: it may come as often as it likes. */
  readonly key: string | null;
}

export interface MessageKeysParts {
  readonly clock: Clock;
  readonly stats: BrokerStats;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
}

export const MESSAGE_KEY = 'message-key';
/** The application; users are told apart from it, and from anonymous clients, by a prefix. */
export const APPLICATION_SENDER = 'application';
const RECORD = 'key:';
/** In a cluster: how long a message may be on its way, until another with its key is let pass; above any handler's deadline. */
const LEASE_MS = 60_000;
/** How often it is looked whether a message that another node has on its way has arrived. */
const LOOK_EVERY_MS = 50;

interface Seen {
  /** By `Clock.nowMs`. */
  readonly expiresMs: number;
  readonly isStored: boolean;
}

/** A key whose message has not taken effect yet. */
interface Claim {
  isStored: boolean;
  /** Others with the same key: called when it is known what became of this one. */
  readonly waiting: (() => void)[];
}

export class MessageKeys {
  readonly #options: IdempotencyOptions;
  readonly #parts: MessageKeysParts;
  /** Oldest first. */
  readonly #seen = new OldestFirstMap<string, Seen>();
  readonly #claims = new Map<string, Claim>();

  constructor(options: IdempotencyOptions, parts: MessageKeysParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Keys remembered, expired ones among them until the next comes. */
  get size(): number {
    return this.#seen.size;
  }

  /** What the store held when it was opened; once, before anything is published. */
  restore(records: readonly StoredRecord[]): void {
    if (this.#options.windowMs === 0) return;
    const { clock } = this.#parts;
    const [nowMs, epochMs] = [clock.nowMs(), clock.epochMs()];
    const keys = records.filter(({ key }) => key.startsWith(RECORD));
    for (const { key, expiresEpochMs } of keys.sort((a, b) => a.expiresEpochMs - b.expiresEpochMs)) {
      this.#remember(key.slice(RECORD.length), { expiresMs: nowMs + expiresEpochMs - epochMs, isStored: true });
    }
  }

  /**
   * The key of a message; null when it has none, or keys are not remembered.
   * @param sender a user as `senderOf` names it, or APPLICATION_SENDER
   * @throws BrokerError `header-invalid`
   */
  read(headers: Headers, sender: string, destination: string): string | null {
    const text = headers.get(MESSAGE_KEY);
    const { windowMs, maxKeyBytes } = this.#options;
    if (text === undefined || windowMs === 0) return null;
    const bytes = Buffer.byteLength(text);
    if (bytes === 0 || bytes > maxKeyBytes) {
      throw new BrokerError('header-invalid', `${MESSAGE_KEY}: got ${bytes} octets, wants 1 to ${maxKeyBytes}`);
    }
    // Of one length, however long the parts: what a hundred thousand of them take is known beforehand.
    return createHash('sha256')
      .update(JSON.stringify([sender, destination, text]))
      .digest('base64url');
  }

  /**
   * What is left to publish: each key once, and none that was seen. Theirs are taken, and seen once `unit` has taken
   * effect; when it is undone they are free again. While another message with one of the keys is on its way, a promise:
   * only its fate decides. None is taken before all can be, so that two units never wait for each other.
   */
  claim<T extends Keyed>(sends: readonly T[], unit: WriteUnit): readonly T[] | Promise<readonly T[]> {
    if (sends.every(({ key }) => key === null)) return sends;
    const others = sends.flatMap(({ key }) => (key === null ? [] : (this.#claims.get(key) ?? [])));
    if (others.length > 0) return this.#ended(others).then(() => this.claim(sends, unit));
    this.#forgetExpired();
    const taken = new Set<string>();
    const fresh = sends.filter(({ key }) => {
      if (key === null) return true;
      const isNew = !this.#isSeen(key) && !taken.has(key);
      if (isNew) taken.add(key);
      else this.#parts.stats.duplicates++;
      return isNew;
    });
    for (const key of taken) this.#take(key, unit);
    return this.#isShared && taken.size > 0 ? this.#takeEverywhere(fresh, taken, unit) : fresh;
  }

  get #isShared(): boolean {
    return this.#parts.journal?.isShared === true;
  }

  /** As `claim`, of keys that nobody on this node has seen or taken: others may. @throws BrokerError `store-failed` */
  async #takeEverywhere<T extends Keyed>(
    sends: readonly T[],
    taken: ReadonlySet<string>,
    unit: WriteUnit,
  ): Promise<readonly T[]> {
    const { journal, clock, stats } = this.#parts;
    try {
      for (;;) {
        const asking = new WriteUnit(journal);
        let result: KeysResult | null = null;
        asking.ask({ kind: 'keys-take', keys: [...taken], leaseMs: LEASE_MS }, (answer) => {
          result = answer as KeysResult;
        });
        await asking.submit();
        const { areTaken, seen } = result ?? { areTaken: false, seen: [] as readonly string[] };
        if (!areTaken) {
          await nextLook(clock);
          continue;
        }
        stats.duplicates += seen.length;
        return sends.filter(({ key }) => key === null || !seen.includes(key));
      }
    } catch (error) {
      unit.undoAll();
      throw error;
    }
  }

  /** The message was published into `unit` without effect, and nobody is told: the same may come again. */
  release(key: string): void {
    const claim = this.#claims.get(key);
    if (claim !== undefined) this.#end(key, claim, false);
  }

  /** When something of the unit is stored, its keys are stored with it. To be called once it is filled. */
  store(sends: readonly Keyed[], unit: WriteUnit): void {
    if (this.#isShared) {
      const { windowMs } = this.#options;
      for (const { key } of sends)
        if (key !== null && this.#claims.has(key)) unit.add({ kind: 'key-seen', key, windowMs });
      return;
    }
    if (!unit.needsStore) return;
    const expiresEpochMs = this.#parts.clock.epochMs() + this.#options.windowMs;
    for (const { key } of sends) {
      const claim = key === null ? undefined : this.#claims.get(key);
      if (key === null || claim === undefined) continue;
      claim.isStored = true;
      unit.add({ kind: 'put', key: RECORD + key, value: '', expiresEpochMs });
    }
  }

  #take(key: string, unit: WriteUnit): void {
    const claim: Claim = { isStored: false, waiting: [] };
    this.#claims.set(key, claim);
    unit.then(
      () => {
        this.#end(key, claim, true);
      },
      () => {
        this.#end(key, claim, false);
      },
    );
    unit.ifUnconfirmed(() => {
      // Perhaps nobody else has it: who sends it again is to be heard.
      this.#seen.delete(key);
      if (this.#isShared) this.#parts.journal?.owe({ kind: 'key-free', key, wasSeen: true });
    });
  }

  #end(key: string, claim: Claim, tookEffect: boolean): void {
    // Released before, and perhaps taken by another since.
    if (this.#claims.get(key) !== claim) return;
    this.#claims.delete(key);
    if (!tookEffect && this.#isShared) this.#parts.journal?.owe({ kind: 'key-free', key, wasSeen: false });
    if (tookEffect) {
      const expiresMs = this.#parts.clock.nowMs() + this.#options.windowMs;
      this.#remember(key, { expiresMs, isStored: claim.isStored });
    }
    for (const goOn of claim.waiting) goOn();
  }

  async #ended(claims: readonly Claim[]): Promise<void> {
    await Promise.all(claims.map(({ waiting }) => new Promise<void>((resolve) => waiting.push(resolve))));
  }

  #remember(key: string, seen: Seen): void {
    this.#seen.set(key, seen);
    if (this.#seen.size <= this.#options.maxKeys) return;
    const { oldest } = this.#seen;
    if (oldest === undefined) return;
    this.#seen.delete(oldest[0]);
    if (oldest[1].isStored && !this.#isShared) this.#parts.journal?.owe({ kind: 'delete', key: RECORD + oldest[0] });
  }

  #isSeen(key: string): boolean {
    return (this.#seen.get(key)?.expiresMs ?? 0) > this.#parts.clock.nowMs();
  }

  /** All keys live equally long, so the oldest go first. Stored ones the store forgets by itself. */
  #forgetExpired(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (let oldest = this.#seen.oldest; oldest !== undefined; oldest = this.#seen.oldest) {
      const [key, { expiresMs }] = oldest;
      if (expiresMs > nowMs) return;
      this.#seen.delete(key);
    }
  }
}

function nextLook(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const stop = clock.every(LOOK_EVERY_MS, () => {
      stop();
      resolve();
    });
  });
}

/** @param user null: anonymous; all such clients are one sender, as nothing tells them apart after a reconnect */
export function senderOf(user: string | null): string {
  return user === null ? 'anonymous' : `user:${user}`;
}
