/** What does a message from one node to subscribers of others cost? hoofbeat, Socket.IO and bare ioredis take turns. */
import { compare } from '../compare.js';
import type { LoadSettings } from '../load/load-task.js';
import type { Plot, Point, PointSettings, ScenarioResult } from '../report/results.js';
import { BareBed } from './bare-bed.js';
import type { ClusterBench } from './cluster-bench.js';
import { CAPACITY, CROSS_FIGURES } from './cross-sample.js';
import { NodeBed } from './node-bed.js';
import { type Goal, verdictsOf } from './verdicts.js';

interface Load {
  readonly nodes: number;
  readonly topics: number;
  /** Of each topic. */
  readonly subscribers: number;
  readonly batch: number;
  readonly bodyBytes: number;
}

/** Messages in flight on each topic: enough that no process on the way waits for another. */
const WINDOW = 256;
/** With many topics. */
const SMALL_WINDOW = 32;

const one = (subscribers: number, batches: readonly number[], bodies: readonly number[], nodes = 2): Load[] =>
  bodies.flatMap((bodyBytes) => batches.map((batch) => ({ nodes, topics: 1, subscribers, batch, bodyBytes })));
const pairs = (batches: readonly number[], bodyBytes: number): Load[] =>
  batches.map((batch) => ({ nodes: 2, topics: 50, subscribers: 1, batch, bodyBytes }));

const QUICK = [...one(1, [1, 16], [128]), ...one(100, [16], [128]), ...pairs([1], 128)];
const FULL = [
  ...one(1, [1, 16], [128, 1_024]),
  ...one(10, [1, 16], [128]),
  ...one(100, [1, 16], [128, 1_024]),
  ...pairs([1, 16], 128),
  ...pairs([16], 1_024),
  ...one(10, [1, 16], [128], 3),
];

const LIMIT = 'limit: ioredis';
const SOCKET_IO = 'Socket.IO';
/** A core each, for each CPU second, and here. */
const AIMED_AT = CROSS_FIGURES.slice(0, 3);
const GOALS: readonly Goal[] = [
  { beside: LIMIT, figures: AIMED_AT, atLeast: 0.6 },
  { beside: SOCKET_IO, figures: AIMED_AT, atLeast: 2 },
];

const settingsOf = ({ nodes, topics, subscribers, batch, bodyBytes }: Load): PointSettings => ({
  nodes,
  topics,
  subscribers,
  B: batch,
  bodyBytes,
});

async function measureWith(bench: ClusterBench, nodes: number, loads: readonly Load[]): Promise<Point[]> {
  const { roundMs } = bench.settings;
  const { nodeArguments } = bench;
  const own = { roundMs, nodes, module: 'hoofbeat-server', nodeArguments } as const;
  const beds = await Promise.all([
    NodeBed.start({ ...own, name: 'hoofbeat TCP', protocol: 'stomp-tcp' }),
    NodeBed.start({ ...own, name: 'hoofbeat WebSocket', protocol: 'stomp-websocket', path: '/ws' }),
    NodeBed.start({ roundMs, nodes, name: SOCKET_IO, module: 'socket-io-server', protocol: 'socket.io' }),
    BareBed.start(roundMs, nodes - 1),
  ]);
  const points: Point[] = [];
  try {
    for (const load of loads) {
      const { topics, subscribers, batch, bodyBytes } = load;
      bench.progress.note('connecting');
      const clients: LoadSettings = { task: 'cross', topics, subscribers };
      for (const bed of beds) await bed.open(clients);
      const round: LoadSettings = { bodyBytes, batch, window: topics > 1 ? SMALL_WINDOW : WINDOW };
      points.push({ settings: settingsOf(load), entries: await compare(bench, beds, { round }) });
    }
  } finally {
    for (const bed of beds) await bed.stop();
  }
  return points;
}

function plots(): Plot[] {
  return [1, 16].flatMap((batch) =>
    [1, 100].map((subscribers): Plot => ({
      kind: 'bars',
      title: `From one node to ${subscribers === 1 ? 'a subscriber' : `${subscribers} subscribers`} of another, 128 octets, B = ${batch}: deliveries per second, a core for each process`,
      figure: CAPACITY,
      where: { nodes: 2, topics: 1, subscribers, B: batch, bodyBytes: 128 },
    })),
  );
}

export async function crossNodes(bench: ClusterBench): Promise<ScenarioResult> {
  const start = performance.now();
  const loads = bench.settings.isQuick ? QUICK : FULL;
  bench.progress.expect(loads.length * 4 * (bench.settings.rounds + 1));
  const points: Point[] = [];
  for (const nodes of [2, 3]) {
    const some = loads.filter((load) => load.nodes === nodes);
    if (some.length > 0) points.push(...(await measureWith(bench, nodes, some)));
  }
  return {
    name: 'cross-nodes',
    title: 'What does a message from one node to subscribers of others cost?',
    durationMs: performance.now() - start,
    method: [
      `Publishers at the first node, subscribers at the others. B is how many messages one write of a publisher carries; ${WINDOW} messages are in flight on one topic, ${SMALL_WINDOW} on each of many.`,
      'The limit is a process that publishes and one that receives, with ioredis, auto-pipelining and Buffers, no clients behind them; as many subscribers there are as many connections to Redis.',
      '“A core each” is 1 ÷ the CPU time that the busiest process on the way (publishing node, Redis, receiving node) spends on a delivery: what the chain carries where no two of them share a core. “Here” is what this machine did, with the load on the same cores. Deliveries per CPU second are those of both nodes and Redis together.',
      'Load: CPU µs that the clients spend on a delivery, and their share of a core; well below 1, everything does not wait for them.',
    ],
    figures: CROSS_FIGURES,
    ratioOf: CAPACITY,
    points,
    plots: plots(),
    skipped: [],
    verdicts: verdictsOf(points, GOALS),
  };
}
