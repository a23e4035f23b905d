/** What does a message to one subscriber cost? Pairs of a publisher and a subscriber, each on a topic of its own. */
import { costFigures } from '../bed.js';
import { compareAll, type Plan } from '../compare.js';
import {
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveTcp,
  naiveWebSocket,
  rabbitMqTcp,
  rabbitMqWebSocket,
  relayTcp,
  socketIoWebSocket,
  springWebSocket,
  stompBrokerJsWebSocket,
} from '../contenders/contender.js';
import type { Scenario } from '../scenario.js';

const BODY_BYTES = 128;
const TCP = [hoofbeatTcp, naiveTcp, relayTcp, rabbitMqTcp];
const WEBSOCKET = [hoofbeatWebSocket, naiveWebSocket, stompBrokerJsWebSocket, socketIoWebSocket, rabbitMqWebSocket];

const planOf =
  (transport: string) =>
  ([pairs, window]: readonly [number, number]): Plan => ({
    settings: { transport, pairs, 'in flight': window, bodyBytes: BODY_BYTES },
    clients: { pairs },
    round: { window, bodyBytes: BODY_BYTES },
  });

export const pairs: Scenario = {
  name: 'pairs',
  title: 'What does a message to one subscriber cost?',
  run: async (bench) => {
    const { isQuick, rounds, springJar } = bench.settings;
    const loads: readonly (readonly [number, number])[] = isQuick
      ? [[50, 16]]
      : [
          [50, 1],
          [50, 16],
          [500, 16],
        ];
    const webSocket = [...WEBSOCKET, springWebSocket(springJar)];
    bench.progress.expect(loads.length * (TCP.length + webSocket.length) * (rounds + 1));
    const overTcp = await compareAll(bench, 'pairs', TCP, loads.map(planOf('TCP')));
    const overWebSocket = await compareAll(bench, 'pairs', webSocket, loads.map(planOf('WebSocket')));
    return {
      method: [
        'Each pair keeps so many messages in flight, and sends again when half of them have arrived. With one in flight, reading, writing and waking up are nearly everything, for the load as for the server.',
      ],
      figures: [
        ...costFigures('messages', 'message'),
        { key: 'p50Ms', label: 'p50 ms', digits: 2, better: 'less' },
        { key: 'p99Ms', label: 'p99 ms', digits: 2, better: 'less' },
      ],
      ratioOf: 'cpuMicros',
      points: [...overTcp.points, ...overWebSocket.points],
      plots: (['TCP', 'WebSocket'] as const).map((transport) => ({
        kind: 'bars',
        title: `50 pairs over ${transport}, 16 messages in flight each: messages per second and core`,
        figure: 'perSecondAndCore',
        where: { transport, pairs: 50, 'in flight': 16 },
      })),
      skipped: [...overTcp.skipped, ...overWebSocket.skipped],
    };
  },
};
