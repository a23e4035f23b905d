/**
 * Has a change made the hot path dearer? hoofbeat's cost of a delivery beside the practical limit on the same machine in
 * the same run, about 20 s. A report for eyes and logs: bands are generous, nothing fails, nothing is written.
 */
import { Bed } from './bed.js';
import { compare } from './compare.js';
import {
  batchTcp,
  batchWebSocket,
  type Contender,
  hoofbeatTcp,
  hoofbeatWebSocket,
  prebuiltTcp,
  prebuiltWebSocket,
} from './contenders/contender.js';
import { makeDataDirectory } from './disk.js';
import { describeMachine, printTable } from './measure.js';
import { PeerPool } from './peer-pool.js';
import { Progress } from './progress.js';
import { median, medianRatio, valuesOf } from './report/statistics.js';
import type { Bench } from './scenario.js';

const ROUNDS = 5;
const ROUND_MS = 80;
const SUBSCRIBERS = 100;
const BODY_BYTES = 128;

interface Guarded {
  readonly own: Contender;
  readonly limit: Contender;
  readonly batch: number;
  /** Times the limit's cost: about half as much again as was measured when the band was set (DESIGN.md, 6). */
  readonly atMost: number;
}

const GUARDED: readonly Guarded[] = [
  { own: hoofbeatTcp, limit: prebuiltTcp, batch: 1, atMost: 1.9 },
  { own: hoofbeatTcp, limit: batchTcp, batch: 16, atMost: 2.5 },
  { own: hoofbeatWebSocket, limit: prebuiltWebSocket, batch: 1, atMost: 1.9 },
  { own: hoofbeatWebSocket, limit: batchWebSocket, batch: 16, atMost: 3 },
];

async function measure(bench: Bench, { own, limit, batch, atMost }: Guarded): Promise<string[]> {
  const beds: Bed[] = [];
  try {
    for (const contender of [own, limit]) beds.push(await Bed.start(bench, contender));
    for (const bed of beds) await bed.open('fan-out', { subscribers: SUBSCRIBERS });
    const [ownEntry, limitEntry] = await compare(bench, beds, { round: { batch, bodyBytes: BODY_BYTES } });
    const [micros, limitMicros] = [ownEntry, limitEntry].map((entry) =>
      entry === undefined ? [] : valuesOf(entry, 'cpuMicros'),
    );
    const ratio = medianRatio(micros ?? [], limitMicros ?? []);
    const failure = beds.map((bed) => bed.failure).find((reason) => reason !== null);
    const verdict = failure ?? (ratio <= atMost ? 'within' : '*** OUTSIDE ITS BAND ***');
    const cost = (values: readonly number[] = []): string => median(values).toFixed(2);
    return [
      `${own.transport}, B = ${batch}`,
      cost(micros),
      cost(limitMicros),
      `${ratio.toFixed(2)} ×`,
      `${atMost.toFixed(1)} ×`,
      verdict,
    ];
  } finally {
    for (const bed of beds) await bed.close();
  }
}

const peers = new PeerPool(makeDataDirectory(), []);
const settings = { isQuick: true, rounds: ROUNDS, roundMs: ROUND_MS, springJar: null };
const progress = new Progress(GUARDED.length);
const rows: string[][] = [];
try {
  for (const guarded of GUARDED) {
    progress.scenario('guard');
    progress.expect(2 * (ROUNDS + 1));
    rows.push(await measure({ settings, peers, progress }, guarded));
    progress.scenarioDone();
  }
} finally {
  progress.clear();
  await peers.stop();
}
console.log(
  `Cost of a delivery to ${SUBSCRIBERS} subscribers, ${BODY_BYTES} octets; ${describeMachine()}; medians of ${ROUNDS} rounds, CPU µs`,
);
printTable(['', 'hoofbeat', 'limit', 'ratio', 'band', ''], rows);
