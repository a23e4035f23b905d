/**
 * What do interceptors and rules cost those who have none? CPU of the server for each delivery of a fan-out: the build as
 * it is, beside a copy of it with those checks taken out, and beside an untouched copy, which shows how much of a
 * difference is noise. All three alternate in the same run.
 */
import path from 'node:path';
import { BODY_BYTES, FanOutBed, SUBSCRIBERS } from './fan-out-bed.js';
import { copyBuild, copyBuildWithoutHooks } from './hooks-removed.js';
import { describeMachine, printTable } from './measure.js';
import { median, medianRatio } from './report/statistics.js';
import { ServerProcess } from './servers/server-process.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 5 : 11;
const DELIVERIES_PER_ROUND = isQuick ? 40_000 : 120_000;

const copies = [await copyBuildWithoutHooks(), await copyBuild()] as const;
const [without, same] = copies.map(({ dist }) => path.join(dist, 'bench/servers'));

async function measure(transport: string, endpoint: string | null): Promise<string[][]> {
  const beds: FanOutBed[] = [];
  for (const folder of [undefined, without, same]) {
    beds.push(await FanOutBed.open(await ServerProcess.start('hoofbeat-server', ['plain'], [], folder), endpoint));
  }
  const rows: string[][] = [];
  for (const batch of [1, 16, 64]) {
    const micros: number[][] = beds.map(() => []);
    for (const bed of beds) await bed.round(batch, DELIVERIES_PER_ROUND);
    for (let round = 0; round < ROUNDS; round++) {
      // Each takes each place in turn: what follows what makes a difference of its own.
      for (let k = 0; k < beds.length; k++) {
        const at = (round + k) % beds.length;
        const spent = await beds[at]?.round(batch, DELIVERIES_PER_ROUND);
        if (spent !== undefined) micros[at]?.push(spent);
      }
    }
    const [own = [], bare = [], control = []] = micros;
    const percent = (others: readonly number[]): string => `${((medianRatio(own, others) - 1) * 100).toFixed(1)} %`;
    const figures = [own, bare, control].map((values) => median(values).toFixed(3));
    rows.push([transport, String(batch), ...figures, percent(bare), percent(control)]);
  }
  for (const bed of beds) await bed.close();
  return rows;
}

try {
  console.log(
    `One topic, ${SUBSCRIBERS} subscribers, body of ${BODY_BYTES} octets; ${describeMachine()}; ` +
      `medians of ${ROUNDS} rounds, CPU µs for each delivery\n`,
  );
  const rows = [...(await measure('TCP', null)), ...(await measure('WebSocket', '/ws'))];
  printTable(['transport', 'B', 'as built', 'hooks out', 'same again', 'cost of hooks', 'noise'], rows);
} finally {
  for (const copy of copies) await copy.remove();
}
