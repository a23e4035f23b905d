/** More connections than the process may have open files: those that are there go on, and so do store, log and health. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { ask } from '../helpers/admin.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { requireProgram } from '../helpers/programs.js';
import { openConnected } from '../helpers/raw-client.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';
import { Served } from './served.js';

/** Fewer, and Node could not load its modules, which it opens side by side. */
const FILES = 256;
const FLOOD = 600;
const TOKEN = 'a-token-of-this-test-alone';

const ADMIN = {
  port: 0,
  tokens: [{ name: 'x', role: 'viewer', token: TOKEN }],
  console: false,
} as const;

interface Flooder {
  readonly socket: Socket;
  isGone: boolean;
}

function flood(port: number, count: number): Flooder[] {
  return Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1');
    const flooder = { socket, isGone: false };
    socket.on('error', () => undefined);
    socket.on('close', () => (flooder.isGone = true));
    socket.resume();
    return flooder;
  });
}

t.test(`${FLOOD} connections to a server that may open ${FILES} files`, async (t) => {
  if (!requireProgram(t, 'prlimit')) return;
  const directory = temporaryDirectory(t);
  const options = {
    tcp: { port: 0 },
    http: { port: 0 },
    admin: ADMIN,
    broker: { limits: { connectTimeoutMs: 600_000 } },
  } as const;
  const wrapper = ['prlimit', `--nofile=${FILES}:${FILES}`] as const;
  const server = await Served.start(t, directory, options, { wrapper });
  const { tcp, http, admin } = server.ports;
  const origin = `http://127.0.0.1:${admin}`;
  const health = async (): Promise<{ readonly status: number; readonly body: unknown }> => ({
    status: (await ask(origin, 'GET', '/health/ready', { as: null })).status,
    body: (await ask(origin, 'GET', '/health', { token: TOKEN })).body,
  });
  const bystander = await openConnected(t, tcp);
  const store = async (): Promise<void> => {
    bystander.sendFrame('SEND', { destination: '/queue/q', persistent: 'true', receipt: 'r' }, 'x'.repeat(10_000));
    await bystander.receipt('r');
  };
  await store();

  const flooders = [...flood(tcp, FLOOD / 2), ...flood(http, FLOOD / 2)];
  t.teardown(() => {
    for (const { socket } of flooders) socket.destroy();
  });
  await until('the log says so', () => server.command.stderr.includes('open files are used up'));
  await until('most are refused', () => flooders.filter(({ isGone }) => isGone).length > FLOOD - FILES);
  const before = await server.probed();
  await delay(300);
  const spentMs = (await server.probed()).cpuMs - before.cpuMs;
  t.ok(spentMs < 200, `nothing spins: ${spentMs.toFixed(0)} ms of 300`);
  await store();
  const { status, body } = await health();
  t.equal(status, 503);
  t.match(body, {
    isReady: false,
    problems: [{ part: 'connections', code: 'connections-exhausted', message: /256 open files/ }],
  });

  const refused = flooders.filter(({ isGone }) => isGone).length;
  for (const { socket } of flooders) socket.destroy();
  await until('there is room again', async () => (await health()).status === 200);
  await openConnected(t, tcp);
  t.match((await health()).body, { isReady: true, problems: [] });
  const lines = server.command.stderr.split('\n').filter((line) => line.includes('open files'));
  t.equal(lines.length, 1, 'one line, however many come');
  bystander.sendFrame('DISCONNECT');
  await server.stop();
  recordFault({
    group: 'Descriptors',
    fault: `${FLOOD} connections, ulimit -n ${FILES}`,
    defence: 'adapters/open-files.ts, adapters/transports/socket-budget.ts',
    outcome: `${refused} closed at once, who was there goes on and stores; ${spentMs.toFixed(0)} ms CPU in 300 ms of it; one line in the log, health says connections-exhausted, over when they are gone`,
  });
});

interface ShownStats {
  readonly server: {
    readonly memory: { readonly rssBytes: number };
    readonly workerProcesses: readonly {
      readonly worker: number;
      readonly processId: number;
      readonly connections: number;
      readonly report: {
        readonly residentBytes: number;
        readonly sockets: { readonly open: number; readonly max: number };
      } | null;
    }[];
  };
  readonly broker: { readonly memory: { readonly residentBytes: number } };
}

t.test('workers have a bound each: health says which one is full, and all of them are shown', async (t) => {
  if (!requireProgram(t, 'prlimit')) return;
  const options = {
    tcp: { port: 0 },
    http: false,
    data: false,
    workers: 2,
    admin: ADMIN,
    broker: { limits: { connectTimeoutMs: 600_000 } },
  } as const;
  const wrapper = ['prlimit', `--nofile=${FILES}:${FILES}`] as const;
  const { ports } = await Served.start(t, temporaryDirectory(t), options, { wrapper });
  const origin = `http://127.0.0.1:${ports.admin}`;
  const get = async (path: string): Promise<unknown> => (await ask(origin, 'GET', path, { token: TOKEN })).body;
  const stats = async (): Promise<ShownStats> => (await get('/stats')) as ShownStats;
  const workers = async (): Promise<ShownStats['server']['workerProcesses']> => (await stats()).server.workerProcesses;
  await until('the budget is about all processes', async () => {
    const { server, broker } = await stats();
    const reports = server.workerProcesses.flatMap(({ report }) => (report === null ? [] : [report]));
    if (reports.length < 2) return false;
    // Each was looked at within the last second or so, and starting processes grow.
    const ofWorkers = reports.reduce((sum, each) => sum + each.residentBytes, 0);
    return broker.memory.residentBytes > server.memory.rssBytes + ofWorkers / 2;
  });
  t.strictSame(
    (await workers()).map(({ worker }) => worker),
    [1, 2],
  );

  const flooders = flood(ports.tcp, FLOOD);
  t.teardown(() => {
    for (const { socket } of flooders) socket.destroy();
  });
  const shortage = {
    part: 'connections',
    code: 'connections-exhausted',
    message: /worker [12]: all \d+ sockets .*256/,
  };
  await until('health says so', async () => {
    const { isReady, problems } = (await get('/health')) as { isReady: boolean; problems: { code: string }[] };
    return !isReady && problems.some(({ code }) => code === shortage.code);
  });
  t.match(await get('/health'), { isReady: false, problems: [shortage] });
  const { text: metrics } = await ask(origin, 'GET', '//metrics', { token: TOKEN });
  const valueOf = (name: string, worker: number): number =>
    Number(new RegExp(`^hoofbeat_worker_${name}\\{worker="${worker}"\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
  for (const worker of [1, 2]) {
    t.equal(valueOf('up', worker), 1);
    t.ok(valueOf('sockets', worker) >= 0 && valueOf('sockets', worker) <= valueOf('max_sockets', worker));
    t.ok(valueOf('max_sockets', worker) < FILES);
    for (const name of ['heap_bytes', 'memory_bytes', 'resident_bytes', 'cpu_seconds_total']) {
      t.ok(valueOf(name, worker) > 0, name);
    }
    t.ok(valueOf('heap_limit_bytes', worker) > valueOf('heap_bytes', worker));
    t.ok(valueOf('event_loop_delay_seconds', worker) >= 0);
  }
  // Who takes how many is the system's.
  for (const name of ['connections', 'sockets']) t.ok(valueOf(name, 1) + valueOf(name, 2) > 0, name);
  for (const { socket } of flooders) socket.destroy();
  await until('there is room again', async () => ((await get('/health')) as { isReady: boolean }).isReady);

  const [first] = await workers();
  if (first === undefined) throw new Error('there is no worker');
  process.kill(first.processId, 'SIGKILL');
  await until('another one in its place', async () => {
    const [again] = await workers();
    return again !== undefined && again.report !== null && again.processId !== first.processId;
  });
});
