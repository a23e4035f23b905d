/**
 * Stands in front of an authenticator and counts wrong credentials, so that they cannot be guessed: by address, and by
 * login for those who spread over many addresses. The same wrong ones again are no guess: a client with an old passcode
 * that comes back every few seconds locks nobody out.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { BrokerError } from '../../broker/errors.js';
import type { Authenticator, Clock, ConnectRequest, Principal } from '../../broker/ports.js';
import { clientAddress } from '../../broker/quotas/client-address.js';

export interface GuessLimits {
  /** Different wrong credentials from one address (of IPv6: network) within the window, above which it is not asked any more. */
  readonly maxPerAddress: number;
  /** For one login, from wherever. Addresses that have logged in with it before are still let in. */
  readonly maxPerLogin: number;
  readonly windowMs: number;
}

interface Guesses {
  readonly sinceMs: number;
  readonly seen: Set<string>;
}

/** What is remembered of addresses and logins, each: beyond it the oldest is forgotten. */
const MAX_REMEMBERED = 100_000;
/** Refusals that say that what was shown is wrong, rather than that it cannot be checked or is too old. */
const WRONG: ReadonlySet<string> = new Set(['authentication-failed', 'token-invalid']);

export class GuessLimiter implements Authenticator {
  readonly #inner: Authenticator;
  readonly #limits: GuessLimits;
  readonly #proxyHops: number;
  readonly #clock: Pick<Clock, 'nowMs'>;
  // What is remembered is of no use to whoever reads the memory.
  readonly #key = randomBytes(16);
  readonly #byAddress = new Map<string, Guesses>();
  readonly #byLogin = new Map<string, Guesses>();
  /** Pairs of login and address that were right. */
  readonly #known = new Set<string>();

  /** @param proxyHops as in `broker.quotas` */
  constructor(
    inner: Authenticator,
    limits: GuessLimits,
    { clock, proxyHops }: { clock: Pick<Clock, 'nowMs'>; proxyHops: number },
  ) {
    this.#inner = inner;
    this.#limits = limits;
    this.#clock = clock;
    this.#proxyHops = proxyHops;
  }

  /** @throws BrokerError `login-limited`, and what the inner one throws */
  authenticate(request: ConnectRequest): Principal | Promise<Principal> {
    const address = clientAddress(request.remoteAddress, request.handshake, this.#proxyHops);
    const login = request.login ?? '';
    this.#assertFree(this.#byAddress, address, this.#limits.maxPerAddress, 'this address');
    const pair = `${address} ${login}`;
    if (login !== '' && !this.#known.has(pair)) {
      this.#assertFree(this.#byLogin, login, this.#limits.maxPerLogin, 'this login');
    }
    const onRight = (principal: Principal): Principal => {
      if (login !== '') remember(this.#known, pair);
      return principal;
    };
    const onWrong = (error: unknown): never => {
      if (error instanceof BrokerError && WRONG.has(error.code)) this.#note(request, address, login);
      throw error;
    };
    try {
      const verdict = this.#inner.authenticate(request);
      return verdict instanceof Promise ? verdict.then(onRight, onWrong) : onRight(verdict);
    } catch (error) {
      return onWrong(error);
    }
  }

  #assertFree(guesses: ReadonlyMap<string, Guesses>, name: string, max: number, whose: string): void {
    const found = guesses.get(name);
    if (found === undefined || found.seen.size < max) return;
    const retryAfterMs = found.sinceMs + this.#limits.windowMs - this.#clock.nowMs();
    if (retryAfterMs <= 0) return;
    throw new BrokerError(
      'login-limited',
      `Too many wrong credentials from ${whose}: got ${found.seen.size}, the limit is ${max} in ${this.#limits.windowMs} ms`,
      { retryAfterMs },
    );
  }

  #note(request: ConnectRequest, address: string, login: string): void {
    const { passcode = '', headers, handshake } = request;
    const shown = [login, passcode, headers.get('authorization'), headers.get('Authorization'), headers.get('token')];
    const text = JSON.stringify([...shown, handshake?.url, handshake?.headers['authorization']]);
    const guess = createHmac('sha256', this.#key).update(text).digest('base64url');
    this.#count(this.#byAddress, address, guess);
    if (login !== '') this.#count(this.#byLogin, login, guess);
  }

  #count(guesses: Map<string, Guesses>, name: string, guess: string): void {
    const nowMs = this.#clock.nowMs();
    let found = guesses.get(name);
    if (found === undefined || nowMs - found.sinceMs >= this.#limits.windowMs) {
      guesses.delete(name);
      if (guesses.size >= MAX_REMEMBERED) guesses.delete(first(guesses.keys()));
      guesses.set(name, (found = { sinceMs: nowMs, seen: new Set() }));
    }
    found.seen.add(guess);
  }
}

function remember(set: Set<string>, name: string): void {
  set.delete(name);
  if (set.size >= MAX_REMEMBERED) set.delete(first(set.keys()));
  set.add(name);
}

function first(names: Iterable<string>): string {
  for (const name of names) return name;
  return '';
}
