/** Options of what the broker tells about itself, on `/topic/$broker/…`. */

export interface FeedOptions {
  /** Who may subscribe: users with one of these roles; `*` is everybody, an empty list nobody. */
  readonly roles: readonly string[];
  /** How often `/topic/$broker/stats` is told, in ms. */
  readonly statsIntervalMs: number;
}

export const DEFAULT_FEED_OPTIONS: FeedOptions = Object.freeze({
  roles: Object.freeze(['admin']),
  statsIntervalMs: 2_000,
});
