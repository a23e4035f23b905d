/** What does a client cost that comes and goes? Connect, subscribe, one message, gone. */
import { costFigures } from '../bed.js';
import { compareAll, type Plan } from '../compare.js';
import {
  hoofbeatSockJs,
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveTcp,
  naiveWebSocket,
  socketIoWebSocket,
  stompBrokerJsWebSocket,
} from '../contenders/contender.js';
import type { Scenario } from '../scenario.js';

const CLIENTS = 50;
/** A round holds hundreds, each of which runs the whole way through the server. */
const WARM_UP = 1_000;

const TCP = [hoofbeatTcp, naiveTcp];
const WEBSOCKET = [hoofbeatWebSocket, hoofbeatSockJs, naiveWebSocket, socketIoWebSocket];
/** A message to itself does not come back from it. */
const LEFT_OUT = [{ contender: stompBrokerJsWebSocket.name, reason: 'a client does not get what it sends itself' }];

const planOf = (transport: string): Plan => ({
  settings: { transport, 'at a time': CLIENTS },
  clients: { clients: CLIENTS },
  round: {},
  warmUpOperations: WARM_UP,
});

export const churn: Scenario = {
  name: 'churn',
  title: 'What does a client cost that comes and goes?',
  run: async (bench) => {
    const tcp = bench.settings.isQuick ? [] : TCP;
    bench.progress.expect((tcp.length + WEBSOCKET.length) * (bench.settings.rounds + 1));
    const overTcp = await compareAll(bench, 'churn', tcp, [planOf('TCP')]);
    const overWebSocket = await compareAll(bench, 'churn', WEBSOCKET, [planOf('WebSocket')]);
    return {
      method: [
        `${CLIENTS} clients at a time, each on a new connection: connects, subscribes to a topic, sends one message there, ends the connection once it has it, and is followed by the next. The client ends it without a word, as most do.`,
      ],
      figures: costFigures('clients', 'client'),
      ratioOf: 'cpuMicros',
      points: [...overTcp.points, ...overWebSocket.points],
      plots: [
        {
          kind: 'bars',
          title: 'Clients that come and go over WebSocket: per second and core',
          figure: 'perSecondAndCore',
          where: { transport: 'WebSocket' },
        },
      ],
      skipped: [...overTcp.skipped, ...overWebSocket.skipped, ...LEFT_OUT],
    };
  },
};
