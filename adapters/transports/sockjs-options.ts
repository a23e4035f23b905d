/**
 * Options of a SockJS endpoint; the defaults are those of sockjs-node and of Spring (S1.30).
 */
export interface SockJsOptions {
  /** Serve the `websocket` transports; false answers 404 there and tells clients so in `info`. Default true. */
  readonly websocket?: boolean | undefined;
  /** Set or echo a `JSESSIONID` cookie, for load balancers that route by it. Default false. */
  readonly sessionCookie?: boolean | undefined;
  /** Octets after which a streaming response ends and the client asks anew. Default 128 KiB. */
  readonly responseLimitBytes?: number | undefined;
  /** Silence after which `h` is sent. Default 25 s. */
  readonly heartBeatDelayMs?: number | undefined;
  /** How long a session lives without a receiving request. Default 5 s. */
  readonly disconnectDelayMs?: number | undefined;
  /** Largest body of `xhr_send` and `jsonp_send`; more is answered 413. Default 2 MiB. */
  readonly maxPostBytes?: number | undefined;
  /** What one session may hold of received octets while the broker does not read; more ends the session. Default 1 MiB. */
  readonly maxInboundBytes?: number | undefined;
  /** Where the iframe page takes the client library from. Default: sockjs-client 1.x on a public CDN. */
  readonly clientUrl?: string | undefined;
  /**
   * What becomes of lone surrogates, which UTF-8 cannot carry: `utf-8` replaces them by U+FFFD after joining pairs that
   * were cut between two strings; `code-units` keeps them in a form of three octets. Default `utf-8`.
   */
  readonly text?: 'utf-8' | 'code-units' | undefined;
}

/** Every option filled in. */
export type ResolvedSockJsOptions = { readonly [K in keyof SockJsOptions]-?: Exclude<SockJsOptions[K], undefined> };

export const DEFAULT_SOCKJS_OPTIONS: ResolvedSockJsOptions = Object.freeze({
  websocket: true,
  sessionCookie: false,
  responseLimitBytes: 128 * 1024,
  heartBeatDelayMs: 25_000,
  disconnectDelayMs: 5_000,
  maxPostBytes: 2 * 1024 * 1024,
  maxInboundBytes: 1024 * 1024,
  clientUrl: 'https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js',
  text: 'utf-8',
});

/** Fills what is missing with the defaults. */
export function resolveSockJsOptions(given: boolean | SockJsOptions | undefined): ResolvedSockJsOptions {
  const entries = typeof given === 'object' ? Object.entries(given).filter(([, value]) => value !== undefined) : [];
  return { ...DEFAULT_SOCKJS_OPTIONS, ...Object.fromEntries(entries) };
}
