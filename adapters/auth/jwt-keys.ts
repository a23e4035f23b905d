/** The keys that tokens are checked with: a shared secret, a file of keys, or a JWKS URL. */
import { createPublicKey } from 'node:crypto';
import { createLocalJWKSet, createRemoteJWKSet, errors, type CryptoKey, type JSONWebKeySet, type JWK } from 'jose';
import { BrokerError } from '../../broker/errors.js';
import type { Clock, Logger } from '../../broker/ports.js';
import { WatchedFile } from './watched-file.js';

/** What the header of a token says about its key: a hint to choose by, never a permission. */
export interface KeyHint {
  readonly alg: string;
  readonly kid: string | undefined;
}

export type VerificationKey = CryptoKey | Uint8Array;

export interface TokenKeys {
  /** Reads or fetches for the first time. Rejects when that can never go well: an unreachable URL is only logged. */
  load(): Promise<void>;
  /**
   * Keys that can have signed such a token; usually one.
   * @throws BrokerError `token-invalid` when there is none, `keys-unreachable`
   */
  find(hint: KeyHint): Promise<readonly VerificationKey[]>;
}

export interface RemoteKeyOptions {
  /** Age at which keys are fetched again before use. While that fails, they go on working. */
  readonly cacheMs: number;
  /** Shortest time between two fetches that unknown key ids cause, and between two that fail. */
  readonly cooldownMs: number;
  readonly timeoutMs: number;
}

/** Without keys nobody can connect: then an attempt may follow a failed one this soon. */
const RETRY_MS = 1_000;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'] as const;

/** A shared secret, HS256 and kin. */
export class SecretKeys implements TokenKeys {
  readonly #key: Uint8Array;

  constructor(secret: string) {
    this.#key = Buffer.from(secret, 'utf8');
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  find(): Promise<readonly VerificationKey[]> {
    return Promise.resolve([this.#key]);
  }
}

/** A file that holds a secret, or PEM blocks, or a JWK or JWKS; read again when it has changed. */
export class FileKeys implements TokenKeys {
  readonly #file: WatchedFile<KeySet>;

  /** @param isSecret the whole file, but for the line's end, is a shared secret */
  constructor(path: string, isSecret: boolean, logger: Logger) {
    this.#file = new WatchedFile(path, isSecret ? parseSecret : parseKeys, logger);
  }

  async load(): Promise<void> {
    await this.#file.read();
  }

  async find(hint: KeyHint): Promise<readonly VerificationKey[]> {
    return (await this.#file.read()).find(hint);
  }
}

/** Keys behind a URL: cached, fetched again for an unknown key id, and used on while the URL is out of reach. */
export class RemoteKeys implements TokenKeys {
  readonly #url: URL;
  readonly #options: RemoteKeyOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fetchKeys: { reload: () => Promise<void>; jwks: () => JSONWebKeySet | undefined };
  #keys: KeySet | null = null;
  #fetchedMs = -Infinity;
  #failedMs = -Infinity;
  #fetching: Promise<boolean> | null = null;

  constructor(url: string, options: RemoteKeyOptions, clock: Clock, logger: Logger) {
    this.#url = new URL(url);
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    // When to fetch is decided here, by a clock that tests own; what comes is jose's to fetch and to check.
    this.#fetchKeys = createRemoteJWKSet(this.#url, { timeoutDuration: options.timeoutMs });
  }

  async load(): Promise<void> {
    await this.#fetch(0);
    // The first use tries again at once.
    this.#failedMs = -Infinity;
  }

  async find(hint: KeyHint): Promise<readonly VerificationKey[]> {
    const { cacheMs, cooldownMs } = this.#options;
    if (this.#keys === null) await this.#fetch(RETRY_MS);
    else if (this.#clock.nowMs() - this.#fetchedMs >= cacheMs) await this.#fetch(cooldownMs);
    const found = await this.#findCached(hint);
    if (found.length > 0) return found;
    if (this.#clock.nowMs() - this.#fetchedMs < cooldownMs) throw unknownKey();
    // The signer may have a new key since.
    if (!(await this.#fetch(cooldownMs))) throw unreachable();
    const foundAnew = await this.#findCached(hint);
    if (foundAnew.length > 0) return foundAnew;
    throw unknownKey();
  }

  async #findCached(hint: KeyHint): Promise<readonly VerificationKey[]> {
    if (this.#keys === null) throw unreachable();
    return this.#keys.candidates(hint);
  }

  /** False when it failed, now or less than `pauseMs` ago. One at a time: who comes meanwhile waits for the same. */
  #fetch(pauseMs: number): Promise<boolean> {
    if (this.#fetching !== null) return this.#fetching;
    if (this.#clock.nowMs() - this.#failedMs < pauseMs) return Promise.resolve(false);
    this.#fetching = this.#fetchOnce().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetchOnce(): Promise<boolean> {
    // Without its query, which may hold a key of its own.
    const url = this.#url.origin + this.#url.pathname;
    try {
      await this.#fetchKeys.reload();
      this.#keys = new KeySet(this.#fetchKeys.jwks()?.keys ?? []);
      this.#fetchedMs = this.#clock.nowMs();
      this.#failedMs = -Infinity;
      this.#logger.debug({ url }, 'token keys were fetched');
      return true;
    } catch (error) {
      this.#failedMs = this.#clock.nowMs();
      const text =
        this.#keys === null ? 'no token can be checked until they can be' : 'those fetched before go on working';
      this.#logger.warn(
        { code: 'keys-unreachable', url, reason: reasonOf(error) },
        `token keys cannot be fetched: ${text}`,
      );
      return false;
    }
  }
}

/** Keys of one version of a file or URL, chosen by what a token's header hints at. */
class KeySet {
  readonly #secrets: readonly JWK[];
  readonly #select: (hint: { alg: string; kid?: string }) => Promise<CryptoKey>;
  /** No key has an id, as in a PEM file: then the id in a token says nothing. */
  readonly #isNameless: boolean;

  constructor(keys: readonly JWK[]) {
    this.#secrets = keys.filter(({ kty }) => kty === 'oct');
    this.#select = createLocalJWKSet({ keys: keys.filter(({ kty }) => kty !== 'oct') });
    this.#isNameless = keys.every(({ kid }) => kid === undefined);
  }

  /** @throws BrokerError `token-invalid` */
  async find(hint: KeyHint): Promise<readonly VerificationKey[]> {
    const keys = await this.candidates(hint);
    if (keys.length === 0) throw unknownKey();
    return keys;
  }

  async candidates({ alg, kid }: KeyHint): Promise<readonly VerificationKey[]> {
    const wanted = this.#isNameless ? undefined : kid;
    // A public key is never a secret to sign with: the family of the algorithm and the kind of the key go together.
    if (alg.startsWith('HS')) return this.#secretsFor(alg, wanted);
    try {
      return [await this.#select({ alg, ...(wanted === undefined ? {} : { kid: wanted }) })];
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return [];
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      const keys: CryptoKey[] = [];
      for await (const key of error) keys.push(key);
      return keys;
    }
  }

  #secretsFor(alg: string, kid: string | undefined): readonly VerificationKey[] {
    return this.#secrets
      .filter((key) => (key.alg ?? alg) === alg && (kid === undefined || key.kid === kid))
      .map((key) => Buffer.from(key.k ?? '', 'base64url'));
  }
}

function parseSecret(text: string): KeySet {
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw new Error('the file is empty');
  return new KeySet([{ kty: 'oct', k: Buffer.from(secret).toString('base64url') }]);
}

function parseKeys(text: string): KeySet {
  const keys = text.includes('-----BEGIN ') ? keysOfPem(text) : keysOfJson(text);
  if (keys.length === 0) throw new Error('it holds no key');
  return new KeySet(keys.map(publicPart));
}

/** Public keys and certificates; of a private key the public part. */
function keysOfPem(text: string): JWK[] {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g) ?? [];
  return blocks.map((block, index) => {
    try {
      return createPublicKey(block).export({ format: 'jwk' });
    } catch {
      // Not the library's text: it may quote what it could not read.
      throw new Error(`PEM block ${index + 1} is no public key or certificate that can check tokens`);
    }
  });
}

function keysOfJson(text: string): JWK[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is neither PEM nor JSON');
  }
  const keys: unknown = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : [value];
  if (!Array.isArray(keys) || !keys.every(isKey)) throw new Error('it is no JWK and no JWKS');
  return keys;
}

function isKey(value: unknown): value is JWK {
  return typeof value === 'object' && value !== null && 'kty' in value && typeof value.kty === 'string';
}

function publicPart(key: JWK): JWK {
  if (key.kty === 'oct') return key;
  return Object.fromEntries(
    Object.entries(key).filter(([name]) => !(PRIVATE_MEMBERS as readonly string[]).includes(name)),
  );
}

function unknownKey(): BrokerError {
  return new BrokerError('token-invalid', 'The token is signed with a key that is not known here');
}

function unreachable(): BrokerError {
  return new BrokerError('keys-unreachable', 'Tokens cannot be checked at the moment, try again later');
}

/** `fetch` hides what went wrong one level down. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error
    ? `${error.message}: ${cause.message || ((cause as NodeJS.ErrnoException).code ?? '')}`
    : error.message;
}
