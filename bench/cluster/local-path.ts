/** What does the relay cost those who do not need it? Topics whose subscribers are all here, with and without other nodes. */
import { costFigures } from '../bed.js';
import { compareAll, type Plan } from '../compare.js';
import type { Contender } from '../contenders/contender.js';
import { hoofbeat } from '../contenders/hoofbeat.js';
import { runningPeer } from '../contenders/node-peer.js';
import type { Peer } from '../contenders/peer.js';
import type { ScenarioResult } from '../report/results.js';
import { startRedis } from '../servers/redis-server.js';
import { ServerProcess } from '../servers/server-process.js';
import type { ClusterBench } from './cluster-bench.js';
import { verdictsOf } from './verdicts.js';

/** One of two nodes: the CPU time is its own, not that of Redis or the other. */
const clustered = (nodeArguments: readonly string[]): Peer => ({
  ...hoofbeat,
  name: 'hoofbeat, one of two',
  start: async () => {
    const redis = await startRedis();
    const cluster = [`--redis=${redis.url}`];
    const node = await ServerProcess.start('hoofbeat-server', cluster, nodeArguments);
    const other = await ServerProcess.start('hoofbeat-server', cluster);
    return {
      ...runningPeer(node),
      stop: async () => {
        for (const each of [node, other]) await each.stop();
        await redis.stop();
      },
    };
  },
});

const over = (peer: Peer): Contender => ({
  name: peer.name,
  peer,
  transport: 'WebSocket',
  protocol: 'stomp-websocket',
  path: '/ws',
});

/** The single node's cost ÷ the clustered one's. */
const AT_LEAST = 0.95;

export async function localPath(bench: ClusterBench): Promise<ScenarioResult> {
  const start = performance.now();
  const fanOut = (subscribers: number, batch: number): Plan => ({
    settings: { load: 'fan-out', subscribers, B: batch },
    clients: { subscribers },
    round: { batch, bodyBytes: 128 },
  });
  const pairs = (window: number): Plan => ({
    settings: { load: '50 pairs', 'in flight': window },
    clients: { pairs: 50 },
    round: { window, bodyBytes: 128 },
  });
  const contenders = [over(clustered(bench.nodeArguments)), over(hoofbeat)];
  const fanOuts = bench.settings.isQuick
    ? [fanOut(100, 1)]
    : [fanOut(1, 1), fanOut(1, 16), fanOut(100, 1), fanOut(100, 16)];
  const pairPlans = bench.settings.isQuick ? [pairs(16)] : [pairs(1), pairs(16)];
  bench.progress.expect((fanOuts.length + pairPlans.length) * 2 * (bench.settings.rounds + 1));
  const results = [
    await compareAll(bench, 'fan-out', contenders, fanOuts),
    await compareAll(bench, 'pairs', contenders, pairPlans),
  ];
  const points = results.flatMap((result) => result.points);
  const figures = costFigures('deliveries', 'delivery');
  return {
    name: 'local-path',
    title: 'What does the relay cost those who do not need it?',
    durationMs: performance.now() - start,
    method: [
      'Publishers and subscribers at the same node, over WebSocket, and nobody at the other: CPU time of that node alone.',
    ],
    figures,
    ratioOf: 'cpuMicros',
    points,
    plots: [],
    skipped: results.flatMap(({ skipped }) => skipped),
    verdicts: verdictsOf(points, [{ beside: hoofbeat.name, figures: figures.slice(0, 1), atLeast: AT_LEAST }]),
  };
}
