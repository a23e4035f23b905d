/** What does a connection cost that does nothing? Memory of each, above that of the same server without, and CPU of all. */
import {
  type Contender,
  hoofbeatSockJs,
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveTcp,
  naiveWebSocket,
  socketIoWebSocket,
  stompBrokerJsWebSocket,
} from '../contenders/contender.js';
import { LoadProcess } from '../load/load-process.js';
import type { Entry, Point, Sample } from '../report/results.js';
import type { Bench, Scenario } from '../scenario.js';

/** Connected and gone before the memory is read first: code is compiled and pools are filled then. */
const WARM_UP = 200;
/** For sockets to be gone, and the memory of collected buffers to be given back. */
const SETTLE_MS = 300;

const TCP = [hoofbeatTcp, naiveTcp];
const WEBSOCKET = [hoofbeatWebSocket, hoofbeatSockJs, naiveWebSocket, stompBrokerJsWebSocket, socketIoWebSocket];
const QUICK_WEBSOCKET = [hoofbeatWebSocket, naiveWebSocket, socketIoWebSocket];

interface Crowd {
  readonly connections: number;
  readonly isSubscribed: boolean;
}

/** In a process of its own: memory that was once used would be used again. */
async function measure(bench: Bench, contender: Contender, crowd: Crowd, idleMs: number): Promise<Sample> {
  const server = await bench.peers.start(contender.peer);
  const load = LoadProcess.start();
  const rss = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await server.collectGarbage?.();
    return server.rssBytes();
  };
  try {
    const { protocol, transport, path = '/', hasReceipts = true } = contender;
    const port = transport === 'TCP' ? server.tcpPort : server.httpPort;
    const target = { protocol, port, path, hasReceipts };
    await load.open('idle', target, { connections: WARM_UP, isSubscribed: crowd.isSubscribed });
    await load.close();
    const [bytesBefore, microsBefore] = [await rss(), await server.cpuMicros()];
    await load.open('idle', target, { ...crowd });
    const connectMicros = (await server.cpuMicros()) - microsBefore;
    const bytesEach = ((await rss()) - bytesBefore) / crowd.connections;
    const idleBefore = await server.cpuMicros();
    const { elapsedMs } = await load.round({ durationMs: idleMs });
    const idleCpu = ((await server.cpuMicros()) - idleBefore) / elapsedMs / 10;
    return { bytesEach, baseMiB: bytesBefore / 2 ** 20, idleCpu, connectMicros: connectMicros / crowd.connections };
  } finally {
    await load.stop();
    await bench.peers.release(server);
  }
}

async function entryOf(bench: Bench, contender: Contender, crowd: Crowd): Promise<Entry> {
  const { isQuick } = bench.settings;
  const samples: Sample[] = [];
  try {
    for (let round = 0; round < (isQuick ? 1 : 2); round++) {
      bench.progress.step(`${contender.name}, ${crowd.connections} connections`);
      samples.push(await measure(bench, contender, crowd, isQuick ? 200 : 1_000));
    }
  } catch (error) {
    return { contender: contender.name, samples, note: error instanceof Error ? error.message : String(error) };
  }
  return { contender: contender.name, samples };
}

export const idle: Scenario = {
  name: 'idle',
  title: 'What does a connection cost that does nothing?',
  run: async (bench) => {
    const { isQuick } = bench.settings;
    const counts = isQuick ? [1_000] : [2_000, 10_000];
    const crowds = counts.flatMap((connections): Crowd[] =>
      (isQuick || connections < 10_000 ? [false] : [false, true]).map((isSubscribed) => ({
        connections,
        isSubscribed,
      })),
    );
    const overTcp = bench.peers.available(isQuick ? [] : TCP);
    const overWebSocket = bench.peers.available(isQuick ? QUICK_WEBSOCKET : WEBSOCKET);
    const all = [...overTcp.contenders, ...overWebSocket.contenders];
    bench.progress.expect(all.length * crowds.length * (isQuick ? 1 : 2));
    const points: Point[] = [];
    for (const [transport, { contenders }] of [
      ['TCP', overTcp],
      ['WebSocket', overWebSocket],
    ] as const) {
      for (const crowd of crowds) {
        if (contenders.length === 0) continue;
        const entries: Entry[] = [];
        for (const contender of contenders) entries.push(await entryOf(bench, contender, crowd));
        const settings = { transport, connections: crowd.connections, subscriptions: crowd.isSubscribed ? 1 : 0 };
        points.push({ settings, entries });
      }
    }
    const most = counts.at(-1) ?? 0;
    return {
      method: [
        `Resident memory of the server with so many clients connected, less that of the same process before them (${WARM_UP} had come and gone, garbage is collected before each reading), by their number. The system's own memory for sockets is not in it. Heart-beats of 10 s both ways where the server has them; a subscription is to a topic of the client's own. With few connections what V8 keeps for itself while they connect weighs more than they do.`,
      ],
      figures: [
        { key: 'bytesEach', label: 'octets per connection', digits: 0, better: 'less' },
        { key: 'baseMiB', label: 'MiB without', digits: 0, better: null },
        { key: 'idleCpu', label: '% of a core, idle', digits: 2, better: 'less' },
        { key: 'connectMicros', label: 'CPU µs to connect', digits: 0, better: 'less' },
      ],
      ratioOf: 'bytesEach',
      points,
      plots: [
        ...(isQuick ? (['WebSocket'] as const) : (['TCP', 'WebSocket'] as const)).map((transport) => ({
          kind: 'bars' as const,
          title: `${most.toLocaleString('en')} idle connections over ${transport}: octets each`,
          figure: 'bytesEach',
          where: { transport, connections: most, subscriptions: 0 },
        })),
        ...(isQuick
          ? []
          : [
              {
                kind: 'lines' as const,
                title: 'Memory of an idle WebSocket connection against their number',
                figure: 'bytesEach',
                where: { transport: 'WebSocket', subscriptions: 0 },
                along: 'connections',
              },
            ]),
      ],
      skipped: [...overTcp.skipped, ...overWebSocket.skipped],
    };
  },
};
