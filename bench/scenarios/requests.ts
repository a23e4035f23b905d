/** What does asking the application cost? SEND to `/app`, a handler, its reply to the sender: the round trip. */
import { costFigures } from '../bed.js';
import { compareAll } from '../compare.js';
import {
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveWebSocket,
  socketIoWebSocket,
  springWebSocket,
} from '../contenders/contender.js';
import type { Scenario } from '../scenario.js';

const CLIENTS = 50;
const BODY_BYTES = 128;
const WINDOWS = [1, 16];

export const requests: Scenario = {
  name: 'requests',
  title: 'What does a request to the application and its reply cost?',
  run: async (bench) => {
    const contenders = [
      hoofbeatWebSocket,
      ...(bench.settings.isQuick ? [] : [{ ...hoofbeatTcp, name: 'hoofbeat TCP' }]),
      naiveWebSocket,
      socketIoWebSocket,
      springWebSocket(bench.settings.springJar),
    ];
    bench.progress.expect(WINDOWS.length * contenders.length * (bench.settings.rounds + 1));
    const plans = WINDOWS.map((window) => ({
      settings: { clients: CLIENTS, 'in flight': window, bodyBytes: BODY_BYTES },
      clients: { clients: CLIENTS },
      round: { window, bodyBytes: BODY_BYTES },
    }));
    const { points, skipped } = await compareAll(bench, 'requests', contenders, plans);
    return {
      method: [
        'STOMP: SEND to /app/echo, a handler that returns its payload, MESSAGE on /user/queue/replies. Socket.IO: an event with an acknowledgement. The naive server has no users and no handlers, it answers at once.',
      ],
      figures: [
        ...costFigures('round trips', 'round trip'),
        { key: 'p50Ms', label: 'p50 ms', digits: 2, better: 'less' },
        { key: 'p99Ms', label: 'p99 ms', digits: 2, better: 'less' },
      ],
      ratioOf: 'cpuMicros',
      points,
      plots: [
        {
          kind: 'bars',
          title:
            'Requests to the application and their replies, 16 in flight for each of 50 clients: per second and core',
          figure: 'perSecondAndCore',
          where: { 'in flight': 16 },
        },
      ],
      skipped,
    };
  },
};
