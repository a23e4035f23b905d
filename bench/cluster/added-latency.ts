/** What does the way through Redis add to a delivery? The same rate to subscribers of another node and of the same one. */
import { compare } from '../compare.js';
import { PERCENTILES } from '../load/latency-recorder.js';
import type { LoadSettings } from '../load/load-task.js';
import type { Figure, Point, ScenarioResult } from '../report/results.js';
import { median, valuesOf } from '../report/statistics.js';
import { BareBed } from './bare-bed.js';
import type { ClusterBench } from './cluster-bench.js';
import { NodeBed } from './node-bed.js';

const BODY_BYTES = 128;
const NODES = 2;
const FIGURES: readonly Figure[] = [
  ...PERCENTILES.map(({ key, label }): Figure => ({ key, label, digits: 2, better: 'less' })),
  { key: 'loadCpu', label: 'load CPU', digits: 2, better: null },
];

export async function addedLatency(bench: ClusterBench): Promise<ScenarioResult> {
  const start = performance.now();
  const { isQuick, rounds } = bench.settings;
  const roundMs = isQuick ? 300 : 1_000;
  const places: readonly (readonly [subscribers: number, messagesPerSecond: number])[] = isQuick
    ? [[1, 500]]
    : [
        [1, 500],
        [1, 2_000],
        [10, 500],
      ];
  const own = { roundMs, nodes: NODES, module: 'hoofbeat-server', protocol: 'stomp-websocket', path: '/ws' } as const;
  const beds = await Promise.all([
    NodeBed.start({ ...own, name: 'hoofbeat, another node' }),
    NodeBed.start({ ...own, name: 'hoofbeat, same node', isSameNode: true }),
    NodeBed.start({ roundMs, nodes: NODES, name: 'Socket.IO', module: 'socket-io-server', protocol: 'socket.io' }),
    BareBed.start(roundMs, NODES - 1),
  ]);
  bench.progress.expect(places.length * beds.length * (rounds + 3));
  const points: Point[] = [];
  try {
    for (const [subscribers, messagesPerSecond] of places) {
      const clients: LoadSettings = { task: 'latency', topics: 1, subscribers, bodyBytes: BODY_BYTES };
      for (const bed of beds) {
        await bed.open(clients);
        // Compiled by what it does most; a rate alone would take minutes.
        bed.isWarm = true;
      }
      const round: LoadSettings = { messagesPerSecond, bodyBytes: BODY_BYTES, durationMs: roundMs };
      const entries = await compare(bench, beds, { round, warmUp: { ...round, messagesPerSecond: 5_000 } });
      points.push({ settings: { subscribers, 'messages/s': messagesPerSecond, bodyBytes: BODY_BYTES }, entries });
    }
  } finally {
    for (const bed of beds) await bed.stop();
  }
  return {
    name: 'added-latency',
    title: 'What does the way through Redis add to a delivery?',
    durationMs: performance.now() - start,
    method: [
      'From when a message was to be sent until it is with the client, in ms; one that had to wait behind a stall counts from when it was due (coordinated omission). The limit ends at the receiving process and has no clients on either side.',
    ],
    figures: FIGURES,
    ratioOf: 'p50Ms',
    points,
    plots: places.slice(0, 1).map(([subscribers, rate]) => ({
      kind: 'percentiles',
      title: `Latency at ${rate} messages a second to ${subscribers} subscriber of another node`,
      figures: PERCENTILES.map(({ key, share }) => ({ key, share })),
      where: { subscribers, 'messages/s': rate },
    })),
    skipped: [],
    verdicts: points.map(addedLine),
  };
}

function addedLine({ settings, entries }: Point): string {
  const of = (contender: string, key: string): number => {
    const entry = entries.find((each) => each.contender === contender);
    return entry === undefined ? NaN : median(valuesOf(entry, key));
  };
  const added = ['p50Ms', 'p99Ms'].map((key) => {
    const ms = of('hoofbeat, another node', key) - of('hoofbeat, same node', key);
    return `${key.slice(0, 3)} ${ms.toFixed(2)} ms`;
  });
  const place = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return `RESULT ${place.join(', ')}: another node adds ${added.join(', ')}`;
}
