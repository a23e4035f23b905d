/**
 * What does one more subscription cost? CPU of the server process for each delivery, hoofbeat beside the naive way
 * (MESSAGE built again for every subscription, one send each), alternating in the same run; the ratio is what counts.
 * B is how many messages one read brings in: with B = 1 there is nothing to gather.
 */
import { BODY_BYTES, FanOutBed, SUBSCRIBERS } from './fan-out-bed.js';
import { describeMachine, median, medianRatio, printTable } from './measure.js';
import { ServerProcess } from './servers/server-process.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 5;
const DELIVERIES_PER_ROUND = isQuick ? 40_000 : 120_000;

console.log(
  `One topic, ${SUBSCRIBERS} subscribers, body of ${BODY_BYTES} octets; ${describeMachine()}; medians of ${ROUNDS} rounds\n`,
);
const rows: string[][] = [];
for (const [transport, naivePath, ownPath] of [
  ['TCP', null, null],
  ['WebSocket', '/', '/ws'],
] as const) {
  const naive = await FanOutBed.open(await ServerProcess.start('naive-server'), naivePath);
  const own = await FanOutBed.open(await ServerProcess.start('hoofbeat-server'), ownPath);
  for (const batch of [1, 16, 64]) {
    const naiveMicros: number[] = [];
    const ownMicros: number[] = [];
    await naive.round(batch, DELIVERIES_PER_ROUND);
    await own.round(batch, DELIVERIES_PER_ROUND);
    for (let k = 0; k < ROUNDS; k++) {
      naiveMicros.push(await naive.round(batch, DELIVERIES_PER_ROUND));
      ownMicros.push(await own.round(batch, DELIVERIES_PER_ROUND));
    }
    const ratio = medianRatio(naiveMicros, ownMicros);
    rows.push([
      transport,
      String(batch),
      median(naiveMicros).toFixed(2),
      median(ownMicros).toFixed(2),
      `${ratio.toFixed(1)} ×`,
    ]);
  }
  for (const bed of [naive, own]) await bed.close();
}
printTable(['transport', 'B', 'naive µs/delivery', 'hoofbeat µs/delivery', 'economy'], rows);
