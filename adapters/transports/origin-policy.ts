/**
 * Which web pages may connect (RFC 6455, 10.2; Spring S1.7, S1.8): requests without an Origin, pages of this very server,
 * and the origins or patterns that are configured.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

export interface OriginOptions {
  /**
   * Origins such as `https://app.example`; `*` alone allows all. `loopback` allows pages of this machine only, whatever
   * their port. Default: none beside the server's own.
   */
  readonly allowedOrigins?: readonly string[] | 'loopback' | undefined;
  /** Origins in which `*` stands for any run of characters and a port may be a list: `https://*.example:[80,8080]`, `:[*]`. */
  readonly allowedOriginPatterns?: readonly string[] | undefined;
  /**
   * Take scheme and host of the server from `X-Forwarded-Proto` and `X-Forwarded-Host`, and say with each handshake that
   * its forwarding headers can be believed. Default false.
   */
  readonly trustProxy?: boolean | undefined;
}

export class OriginPolicy {
  /** True when a page from anywhere may connect. */
  readonly allowsAll: boolean;
  /** True when nothing but the server's own origin is allowed. */
  readonly isSameOriginOnly: boolean;
  readonly #loopback: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly RegExp[];
  readonly #trustProxy: boolean;

  constructor(options: OriginOptions = {}) {
    const { allowedOrigins = [], allowedOriginPatterns = [] } = options;
    const origins = allowedOrigins === 'loopback' ? [] : allowedOrigins;
    this.#loopback = allowedOrigins === 'loopback';
    this.#trustProxy = options.trustProxy ?? false;
    this.#exact = new Set(origins.map(normal));
    this.#patterns = allowedOriginPatterns.map(patternOf);
    this.allowsAll = this.#exact.has('*') || allowedOriginPatterns.includes('*');
    this.isSameOriginOnly = !this.#loopback && this.#exact.size === 0 && this.#patterns.length === 0;
  }

  /** @param origin the Origin header; undefined when the client is no browser */
  isAllowed(request: IncomingMessage, origin: string | undefined = originOf(request)): boolean {
    if (origin === undefined || this.allowsAll) return true;
    const given = normal(origin);
    // A page that got here by a rebound name is of the "same origin"; so a loopback server asks for a loopback name.
    if (this.#loopback && isLoopback(given)) return true;
    if (!this.#loopback && given === this.#ownOrigin(request)) return true;
    return this.#exact.has(given) || this.#patterns.some((pattern) => pattern.test(given));
  }

  #ownOrigin(request: IncomingMessage): string | null {
    const isEncrypted = (request.socket as Partial<TLSSocket>).encrypted === true;
    let scheme = isEncrypted ? 'https' : 'http';
    let host = request.headers.host;
    if (this.#trustProxy) {
      scheme = firstOf(request.headers['x-forwarded-proto']) ?? scheme;
      host = firstOf(request.headers['x-forwarded-host']) ?? host;
    }
    return host === undefined ? null : normal(`${scheme}://${host}`);
  }
}

/** Browsers of the drafts before RFC 6455 named it otherwise. */
function originOf(request: IncomingMessage): string | undefined {
  return request.headers.origin ?? firstOf(request.headers['sec-websocket-origin']);
}

function firstOf(header: string | readonly string[] | undefined): string | undefined {
  const value = typeof header === 'string' ? header : header?.[0];
  const first = value?.split(',')[0]?.trim();
  return first === '' ? undefined : first;
}

/** Lower case, without a slash at the end and without the port that the scheme implies. */
function normal(origin: string): string {
  const plain = origin.trim().toLowerCase().replace(/\/$/, '');
  if (plain.startsWith('http://')) return plain.replace(/:80$/, '');
  return plain.startsWith('https://') ? plain.replace(/:443$/, '') : plain;
}

const PORTS = /:\[(\*|\d+(?:,\d+)*)\]$/;

function patternOf(pattern: string): RegExp {
  let source = normal(pattern);
  let ports = '';
  const list = PORTS.exec(source);
  if (list !== null) {
    source = source.slice(0, list.index);
    ports = list[1] === '*' ? '(:\\d+)?' : `:(${(list[1] ?? '').replaceAll(',', '|')})`;
    // The port that a scheme implies never stands in an Origin header.
    const implied = source.startsWith('https:') ? '443' : '80';
    if ((list[1] ?? '').split(',').includes(implied)) ports = `(${ports})?`;
  }
  const escaped = source.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}${ports}$`);
}

function isLoopback(origin: string): boolean {
  const host = /^https?:\/\/(\[[^\]]*\]|[^:/]*)(:\d+)?$/.exec(origin)?.[1];
  return host === 'localhost' || host === '[::1]' || (host !== undefined && /^127(\.\d{1,3}){3}$/.test(host));
}
