/** What all who come and go share, and how they come and go. */
import { setTimeout as wait } from 'node:timers/promises';
import type { SeededRandom } from '../helpers/seeded-random.js';
import type { Ledger } from './ledger.js';
import type { Line, LineKind, LineSpec } from './line.js';
import { openLine } from './open-line.js';

export interface World {
  readonly ledger: Ledger;
  readonly random: SeededRandom;
  /** Through the proxies. */
  readonly ports: Pick<LineSpec, 'tcpPort' | 'httpPort'>;
  /** Whether the round goes on. */
  isBusy(): boolean;
  /** Connections that were made, by kind, and all that was counted of those that are gone. */
  readonly opened: Partial<Record<LineKind, number>>;
  readonly totals: Totals;
}

export interface Totals {
  connected: number;
  written: number;
  confirmed: number;
  received: number;
  /** Codes of ERRORs. */
  readonly errors: Record<string, number>;
}

const BEAT_MS = 1_000;
/** How long a client waits for what is not coming: CONNECTED, or the end of its connection. */
const PATIENCE_MS = 4_000;

/** A connection that is in the books. Not ready when it could not be made. */
export async function openCounted(world: World, kind: LineKind, spec: Partial<LineSpec> = {}): Promise<Line> {
  const line = openLine(kind, { ...world.ports, beatMs: BEAT_MS, ...spec });
  world.opened[kind] = (world.opened[kind] ?? 0) + 1;
  line.onError = (code) => {
    world.totals.errors[code] = (world.totals.errors[code] ?? 0) + 1;
  };
  const isOpen = await Promise.race([line.ready, wait(PATIENCE_MS, false)]);
  if (isOpen) world.totals.connected++;
  else line.drop();
  return line;
}

/** Its books are closed. */
export function countLine({ totals }: World, { written, confirmed, received }: Line): void {
  totals.written += written;
  totals.confirmed += confirmed;
  totals.received += received;
}

/** Leaves in an orderly way if it can, and in any case. */
export async function leave(line: Line): Promise<void> {
  const left = line.leave().catch(() => undefined);
  await Promise.race([left, line.ended, wait(PATIENCE_MS)]);
  if (!line.hasEnded) line.drop();
}

/** For so long, or until the round is over. */
export async function untilOver(world: World, ms: number): Promise<void> {
  const endMs = Date.now() + ms;
  while (world.isBusy() && Date.now() < endMs) await wait(100);
}
