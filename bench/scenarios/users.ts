/** What does a message to one user cost, sent by the application, when there are thousands of users? */
import { costFigures } from '../bed.js';
import { compareAll } from '../compare.js';
import { hoofbeatTcp, hoofbeatWebSocket, naiveWebSocket, socketIoWebSocket } from '../contenders/contender.js';
import type { Scenario } from '../scenario.js';

const BODY_BYTES = 128;
const SLICE = 100;

export const users: Scenario = {
  name: 'users',
  title: 'What does a message to one of many users cost?',
  run: async (bench) => {
    const { isQuick, rounds } = bench.settings;
    const counts = isQuick ? [300] : [1_000, 10_000];
    const contenders = [
      hoofbeatWebSocket,
      ...(isQuick ? [] : [{ ...hoofbeatTcp, name: 'hoofbeat TCP' }]),
      naiveWebSocket,
      socketIoWebSocket,
    ];
    bench.progress.expect(counts.length * contenders.length * (rounds + 1));
    const plans = counts.map((count) => ({
      settings: { users: count, bodyBytes: BODY_BYTES },
      clients: { users: count, bodyBytes: BODY_BYTES },
      connections: count,
      round: { slice: SLICE },
    }));
    const { points, skipped } = await compareAll(bench, 'users', contenders, plans);
    return {
      method: [
        `A client's request makes the application send to ${SLICE} users one by one, the next ${SLICE} when all of these have it: convertAndSendToUser in hoofbeat, a room of each user in Socket.IO, a map from name to socket in the naive server.`,
      ],
      figures: costFigures('deliveries', 'delivery'),
      ratioOf: 'cpuMicros',
      points,
      plots: [
        {
          kind: 'bars',
          title: `Messages to single users out of ${(counts.at(-1) ?? 0).toLocaleString('en')}: deliveries per second and core`,
          figure: 'perSecondAndCore',
          where: { users: counts.at(-1) ?? 0 },
        },
      ],
      skipped,
    };
  },
};
