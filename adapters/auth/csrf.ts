/**
 * CSRF check on CONNECT for endpoints whose clients are known by a cookie (Spring S12.9). The client proves that it can read
 * a token which a foreign page cannot: in plain, or masked as base64url(random + (token XOR random)).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BrokerError } from '../../broker/errors.js';
import type { Authenticator, ConnectRequest, Handshake, Principal } from '../../broker/ports.js';
import { cookieOf, frameHeader, pathOf } from './request-headers.js';

export interface CsrfOptions {
  /** Header of the CONNECT frame that carries the token. Default `X-CSRF-TOKEN`. */
  readonly header?: string | undefined;
  /** The token that belongs to the handshake; null when it has none, which refuses. Default: the cookie `XSRF-TOKEN`. */
  readonly expectedToken?: ((handshake: Handshake) => string | null | undefined) | undefined;
  /** Paths of the endpoints it holds for. Default: every connection that began with an HTTP request. */
  readonly endpoints?: readonly string[] | undefined;
}

/** The expected token out of a cookie (double submit): the page reads the cookie and repeats it. */
export function tokenFromCookie(name: string): (handshake: Handshake) => string | undefined {
  return (handshake) => cookieOf(handshake, name);
}

/** Asks `inner` only once the token is right. Connections without a handshake (TCP, renewals) have no cookie to abuse. */
export class CsrfAuthenticator implements Authenticator {
  readonly #inner: Authenticator;
  readonly #header: string;
  readonly #expectedToken: (handshake: Handshake) => string | null | undefined;
  readonly #endpoints: readonly string[] | null;

  constructor(inner: Authenticator, options: CsrfOptions = {}) {
    this.#inner = inner;
    this.#header = options.header ?? 'X-CSRF-TOKEN';
    this.#expectedToken = options.expectedToken ?? tokenFromCookie('XSRF-TOKEN');
    this.#endpoints = options.endpoints ?? null;
  }

  /** @throws BrokerError `csrf-failed`, and what the inner one throws */
  authenticate(request: ConnectRequest): Principal | Promise<Principal> {
    const { handshake, headers } = request;
    if (handshake !== null && this.#isGuarded(handshake)) {
      const expected = this.#expectedToken(handshake) ?? '';
      const shown = frameHeader(headers, this.#header) ?? '';
      if (expected === '' || shown === '' || !isCsrfToken(shown, expected)) {
        throw new BrokerError('csrf-failed', `The header ${this.#header} of CONNECT does not hold the CSRF token`);
      }
    }
    return this.#inner.authenticate(request);
  }

  #isGuarded(handshake: Handshake): boolean {
    const path = pathOf(handshake);
    return this.#endpoints?.some((endpoint) => path === endpoint || path.startsWith(`${endpoint}/`)) ?? true;
  }
}

/** Whether `shown` is the token or a masked form of it; takes the same time wherever they differ. */
export function isCsrfToken(shown: string, token: string): boolean {
  const isPlain = isSame(Buffer.from(shown), Buffer.from(token));
  const unmasked = unmask(shown, Buffer.byteLength(token));
  return unmasked === null ? isPlain : isSame(unmasked, Buffer.from(token)) || isPlain;
}

/** Null when it cannot be a masked token of that length. */
function unmask(shown: string, lengthBytes: number): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(shown)) return null;
  const octets = Buffer.from(shown, 'base64url');
  if (octets.length !== 2 * lengthBytes) return null;
  return octets.subarray(lengthBytes).map((octet, k) => octet ^ (octets[k] ?? 0));
}

/** Digests are of one length, which timingSafeEqual needs. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest());
}
