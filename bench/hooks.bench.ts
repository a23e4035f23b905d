/**
 * What do interceptors, rules and tracing cost those who have none? CPU of the server for each delivery of a fan-out: the build as
 * it is, beside a copy of it with those checks taken out, and beside an untouched copy, which shows how much of a
 * difference is noise, and beside itself with a tracer registered. All four alternate in the same run.
 */
import path from 'node:path';
import { compareAll, type Plan } from './compare.js';
import { type Contender, hoofbeatTcp, hoofbeatWebSocket } from './contenders/contender.js';
import { runningPeer } from './contenders/node-peer.js';
import { makeDataDirectory } from './disk.js';
import { copyBuild, copyBuildWithoutHooks } from './hooks-removed.js';
import { describeMachine, printTable } from './measure.js';
import { PeerPool } from './peer-pool.js';
import { Progress } from './progress.js';
import { median, medianRatio, valuesOf } from './report/statistics.js';
import { ServerProcess } from './servers/server-process.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 5 : 11;
const ROUND_MS = isQuick ? 80 : 250;
const SUBSCRIBERS = 100;
const BODY_BYTES = 128;

const copies = [await copyBuildWithoutHooks(), await copyBuild()] as const;
const [without, same] = copies.map(({ dist }) => path.join(dist, 'bench/servers'));

const from = (base: Contender, name: string, folder: string | undefined, ...more: readonly string[]): Contender => ({
  ...base,
  name,
  peer: {
    ...base.peer,
    start: async () => runningPeer(await ServerProcess.start('hoofbeat-server', ['plain', ...more], [], folder)),
  },
});
const plans = [1, 16, 64].map((batch): Plan => ({
  settings: { batch },
  clients: { subscribers: SUBSCRIBERS },
  round: { batch, bodyBytes: BODY_BYTES },
}));

async function measure(base: Contender): Promise<string[][]> {
  const peers = new PeerPool(makeDataDirectory(), []);
  const settings = { isQuick, rounds: ROUNDS, roundMs: ROUND_MS, springJar: null };
  const bench = { settings, peers, progress: new Progress(1) };
  const contenders = [
    from(base, 'as built', undefined),
    from(base, 'hooks out', without),
    from(base, 'again', same),
    from(base, 'traced', undefined, 'traced'),
  ];
  try {
    const { points } = await compareAll(bench, 'fan-out', contenders, plans);
    return points.map(({ settings: { batch = '' }, entries }) => {
      const [own = [], bare = [], control = [], traced = []] = entries.map((entry) => valuesOf(entry, 'cpuMicros'));
      const percent = (others: readonly number[]): string => `${((medianRatio(own, others) - 1) * 100).toFixed(1)} %`;
      const figures = [own, bare, control, traced].map((values) => median(values).toFixed(3));
      return [base.transport, String(batch), ...figures, percent(bare), percent(control), percent(traced)];
    });
  } finally {
    bench.progress.clear();
    await peers.stop();
  }
}

try {
  console.log(
    `One topic, ${SUBSCRIBERS} subscribers, body of ${BODY_BYTES} octets; ${describeMachine()}; ` +
      `medians of ${ROUNDS} rounds, CPU µs for each delivery\n`,
  );
  const rows = [...(await measure(hoofbeatTcp)), ...(await measure(hoofbeatWebSocket))];
  printTable(
    [
      'transport',
      'B',
      'as built',
      'hooks out',
      'same again',
      'with a tracer',
      'cost of hooks',
      'noise',
      'as built over traced',
    ],
    rows,
  );
} finally {
  for (const copy of copies) await copy.remove();
}
