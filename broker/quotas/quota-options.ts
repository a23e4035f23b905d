/** Options of quotas: how much one session, user or address may send, how much a destination takes, and connections. */

export interface RateOptions {
  /** SEND and SUBSCRIBE frames; 0: any number. */
  readonly messagesPerSecond: number;
  /** So many may come at once after a while of silence; 0: as many as in a second. */
  readonly messageBurst: number;
  /** Octets of these frames; 0: any number. */
  readonly bytesPerSecond: number;
  readonly byteBurst: number;
}

export interface ShareOptions extends RateOptions {
  /** At a time; 0: any number. */
  readonly maxConnections: number;
}

/** SENDs to each destination of a pattern, whoever sends them; the first rule that matches decides, one without a rate too. */
export type DestinationRule = { readonly pattern: string } & {
  readonly [K in keyof RateOptions]?: RateOptions[K] | undefined;
};

export interface QuotaOptions {
  /** What becomes of a frame over a rate: `refuse` does as with any refusal (`refusals`), `pause` has its client wait. */
  readonly onExceeded: 'refuse' | 'pause';
  /** Soft refusals, of whatever reason, after which a session is ended; 0: never. */
  readonly maxRefusals: number;
  /** How long a refusal counts, in ms. */
  readonly refusalWindowMs: number;
  /**
   * Where `trustProxy` is set: how many proxies add to X-Forwarded-For. The address of the client is the one that the
   * outermost of them saw; what stands before it anybody may have written.
   */
  readonly proxyHops: number;
  readonly session: RateOptions;
  /** All sessions of a user together. */
  readonly user: ShareOptions;
  /** All sessions from one IPv4 address, or one IPv6 network (/64), together. */
  readonly address: ShareOptions;
  /** By pattern. What the application sends itself is not measured. */
  readonly destinations: readonly DestinationRule[];
}

export const NO_RATE: RateOptions = Object.freeze({
  messagesPerSecond: 0,
  messageBurst: 0,
  bytesPerSecond: 0,
  byteBurst: 0,
});
const NO_SHARE: ShareOptions = Object.freeze({ maxConnections: 0, ...NO_RATE });

export const DEFAULT_QUOTA_OPTIONS: QuotaOptions = Object.freeze({
  onExceeded: 'refuse',
  maxRefusals: 0,
  refusalWindowMs: 600_000,
  proxyHops: 1,
  session: NO_RATE,
  user: NO_SHARE,
  address: NO_SHARE,
  destinations: Object.freeze([]),
});

export function hasRate({ messagesPerSecond, bytesPerSecond }: RateOptions): boolean {
  return messagesPerSecond > 0 || bytesPerSecond > 0;
}

/** What is wrong; null when nothing is. */
export function findQuotaFault(options: QuotaOptions): { option: string; got: unknown; wants: string } | null {
  if (!['refuse', 'pause'].includes(options.onExceeded)) {
    return { option: 'onExceeded', got: options.onExceeded, wants: '"refuse" or "pause"' };
  }
  if (options.proxyHops < 1) return { option: 'proxyHops', got: options.proxyHops, wants: '1 or more' };
  return null;
}
