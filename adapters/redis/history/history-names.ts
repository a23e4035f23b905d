/** Names around histories in Redis: channels, and epochs that nobody has had. */
import { randomBytes } from 'node:crypto';
import type { HistoryInterest } from '../../../broker/ports.js';

const RUN = randomBytes(9).toString('base64url');
let names = 0;

/** A channel of RedisSignals. The script that records messages makes the same (history-lua.ts). */
export function channelOf({ kind, name }: HistoryInterest): string {
  return kind === 'history' ? `recorded:${name}` : `recorded-group:${name}`;
}

/** Letters, digits, `-` and `_` only: an epoch, should the script need a new one. */
export function createName(): string {
  return RUN + (++names).toString(36);
}
