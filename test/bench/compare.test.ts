/** The bench itself, with clients few enough to be quick: every protocol of the load against a real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { compareAll, inTurn, type Plan } from '../../bench/compare.js';
import {
  batchWebSocket,
  type Contender,
  hoofbeatSockJs,
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveWebSocket,
  socketIoWebSocket,
  stompBrokerJsWebSocket,
} from '../../bench/contenders/contender.js';
import type { Peer } from '../../bench/contenders/peer.js';
import { PeerPool } from '../../bench/peer-pool.js';
import { Progress } from '../../bench/progress.js';
import type { Bench } from '../../bench/scenario.js';

const ROUNDS = 2;

async function openBench(t: Test, chosen: readonly string[] = []): Promise<Bench> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hoofbeat-bench-test-'));
  const peers = new PeerPool(directory, chosen);
  t.teardown(async () => {
    await peers.stop();
    await rm(directory, { recursive: true });
  });
  const settings = { isQuick: true, rounds: ROUNDS, roundMs: 5, springJar: null };
  return { settings, peers, progress: new Progress(1) };
}

const plan: Plan = {
  settings: { subscribers: 3 },
  clients: { subscribers: 3 },
  connections: 3,
  round: { batch: 2, bodyBytes: 32 },
  warmUpOperations: 1,
};

t.test('every contender delivers everything, and what it costs is known', async (t) => {
  const bench = await openBench(t);
  const contenders = [hoofbeatWebSocket, hoofbeatSockJs, batchWebSocket, stompBrokerJsWebSocket, socketIoWebSocket];
  const { points, skipped } = await compareAll(bench, 'fan-out', contenders, [plan]);
  t.same(skipped, []);
  const [point] = points;
  t.same(
    point?.entries.map(({ contender }) => contender),
    contenders.map(({ name }) => name),
  );
  for (const { contender, samples, note } of point?.entries ?? []) {
    t.equal(note, undefined, contender);
    t.equal(samples.length, ROUNDS, contender);
    t.ok(
      samples.every(({ operations = 0, cpuMicros = 0 }) => operations >= 6 && operations % 6 === 0 && cpuMicros > 0),
      contender,
    );
  }
});

t.test('a contender that fails is named with the reason, and the others go on', async (t) => {
  const bench = await openBench(t, ['naive', 'Spring']);
  const missing: Peer = {
    name: 'Spring',
    description: 'none',
    missing: () => 'no jar',
    start: () => Promise.reject(new Error('not to be started')),
  };
  const contenders: Contender[] = [
    hoofbeatTcp,
    { ...hoofbeatWebSocket, name: 'hoofbeat where it is not', path: '/nowhere' },
    { ...naiveWebSocket, name: 'naive for few', maxConnections: 2 },
    { ...naiveWebSocket, peer: missing, name: 'Spring' },
    socketIoWebSocket,
  ];
  const { points, skipped } = await compareAll(bench, 'pairs', contenders, [
    { ...plan, clients: { pairs: 2 }, round: { window: 2, bodyBytes: 32 } },
  ]);
  const [own, failed] = points[0]?.entries ?? [];
  t.equal(own?.samples.length, ROUNDS);
  t.same(failed?.samples, []);
  t.match(failed?.note, 'closed a connection');
  t.same(
    skipped.map(({ contender, reason }) => `${contender}: ${reason}`),
    ['Spring: no jar', 'Socket.IO: not among --peers=', 'naive for few: 3 clients would take minutes to connect'],
  );
});

t.test('in turns each takes each place', async (t) => {
  const turns = [0, 1, 2, 3, 4, 5].map((turn) => inTurn(['a', 'b', 'c'], turn).join(''));
  for (const place of [0, 1, 2]) t.equal(new Set(turns.map((turn) => turn[place])).size, 3, `place ${place}`);
  t.same(inTurn([], 3), []);
});
