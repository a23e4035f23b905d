/** What does one more subscription cost? One publisher, many subscribers of one topic, over TCP and WebSocket. */
import { costFigures } from '../bed.js';
import { compareAll, type Plan } from '../compare.js';
import {
  batchTcp,
  batchWebSocket,
  type Contender,
  hoofbeatSockJs,
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveTcp,
  naiveWebSocket,
  prebuiltTcp,
  prebuiltWebSocket,
  rabbitMqTcp,
  rabbitMqWebSocket,
  socketIoWebSocket,
  springWebSocket,
  stompBrokerJsWebSocket,
} from '../contenders/contender.js';
import type { Plot } from '../report/results.js';
import type { Scenario } from '../scenario.js';

interface Load {
  readonly subscribers: number;
  /** Messages that one write of the publisher, and so one read of the server, carries. */
  readonly batch: number;
  readonly bodyBytes: number;
  /** Every subscription has an id of its own; else all are called `sub-0`, as clients with a single one call it. */
  readonly hasOwnIds: boolean;
}

const cross = (subscribers: readonly number[], batches: readonly number[], bodies: readonly number[]): Load[] =>
  subscribers.flatMap((n) =>
    bodies.flatMap((bodyBytes) => batches.map((batch) => ({ subscribers: n, batch, bodyBytes, hasOwnIds: false }))),
  );

const withOwnIds = (loads: readonly Load[]): Load[] => loads.map((load) => ({ ...load, hasOwnIds: true }));

const QUICK = cross([100], [1, 16], [128]);
const FULL = [
  ...cross([10], [1, 16], [128]),
  ...cross([100], [1, 16, 64], [128]),
  ...cross([100], [16], [20, 1_024, 16_384]),
  ...withOwnIds(cross([100], [16], [128])),
  ...cross([1_000], [1, 16], [128]),
  ...withOwnIds(cross([1_000], [16], [128])),
  ...cross([10_000], [1, 16], [128]),
];
/** With so many, one turn takes some contenders seconds. */
const MANY = 10_000;
const ROUNDS_WITH_MANY = 3;

const TCP = [hoofbeatTcp, naiveTcp, prebuiltTcp, batchTcp, rabbitMqTcp];
const WEBSOCKET = [
  hoofbeatWebSocket,
  hoofbeatSockJs,
  naiveWebSocket,
  prebuiltWebSocket,
  batchWebSocket,
  stompBrokerJsWebSocket,
  socketIoWebSocket,
  rabbitMqWebSocket,
];
/** With one message there is nothing to gather: the same as the prebuilt frame. */
const BATCHING: readonly Contender[] = [batchTcp, batchWebSocket];
/** What else is measured where one turn is 160,000 deliveries, or ids differ. */
const QUICK_WITH_MANY: readonly Contender[] = [...BATCHING, naiveTcp, naiveWebSocket];

const plotsFor = (subscribers: number): readonly Plot[] =>
  (['TCP', 'WebSocket'] as const).flatMap((transport) =>
    [1, 16].flatMap((batch): Plot[] => [
      {
        kind: 'bars',
        title: `Fan-out over ${transport} to ${subscribers.toLocaleString('en')} subscribers, 128 octets, B = ${batch}: deliveries per second and core`,
        figure: 'perSecondAndCore',
        where: { transport, subscribers, batch, bodyBytes: 128, ids: 'alike' },
      },
      {
        kind: 'lines',
        title: `Cost of a delivery over ${transport}, 128 octets, B = ${batch}: CPU µs against subscribers`,
        figure: 'cpuMicros',
        where: { transport, batch, bodyBytes: 128, ids: 'alike' },
        along: 'subscribers',
      },
    ]),
  );

/** To the others an id is one string or another, or none; the limits write the same octets anyway and are there to compare. */
function hasToTellIdsApart(contender: Contender): boolean {
  return contender.name.startsWith('hoofbeat') || QUICK_WITH_MANY.includes(contender);
}

const planOf =
  (transport: string) =>
  ({ subscribers, batch, bodyBytes, hasOwnIds }: Load): Plan => ({
    settings: { transport, subscribers, batch, bodyBytes, ids: hasOwnIds ? 'different' : 'alike' },
    clients: { subscribers, hasOwnIds },
    connections: subscribers,
    round: { batch, bodyBytes },
    suits: (contender) => {
      if (hasOwnIds) return hasToTellIdsApart(contender);
      if (batch === 1) return !BATCHING.includes(contender);
      return subscribers < MANY || contender.name.startsWith('hoofbeat') || QUICK_WITH_MANY.includes(contender);
    },
    ...(subscribers < MANY ? {} : { rounds: ROUNDS_WITH_MANY }),
  });

export const fanOut: Scenario = {
  name: 'fan-out',
  title: 'What does one more subscription cost?',
  run: async (bench) => {
    const loads = bench.settings.isQuick ? QUICK : FULL;
    const webSocket = [...WEBSOCKET, springWebSocket(bench.settings.springJar)];
    bench.progress.expect(loads.length * (TCP.length + webSocket.length) * (bench.settings.rounds + 1));
    const overTcp = await compareAll(bench, 'fan-out', TCP, loads.map(planOf('TCP')));
    const overWebSocket = await compareAll(bench, 'fan-out', webSocket, loads.map(planOf('WebSocket')));
    return {
      method: [
        'B is how many messages one write of the publisher, and so one read of the server, carries. The next are published when the last have reached every subscriber, so the server is idle between turns, and what it costs to wake up is counted: the same for all.',
        'Ids: clients call their first subscription alike (`sub-0` in @stomp/stompjs), so that MESSAGEs to several differ in nothing; with different ids each is built for its subscriber.',
        'Cost is CPU time (user and system) of the whole server; deliveries per second and core is its reciprocal. The rate beside it is that of one publisher who waits for everybody.',
      ],
      figures: costFigures('deliveries', 'delivery'),
      ratioOf: 'cpuMicros',
      points: [...overTcp.points, ...overWebSocket.points],
      plots: plotsFor(bench.settings.isQuick ? 100 : 1_000),
      skipped: [...overTcp.skipped, ...overWebSocket.skipped],
    };
  },
};
