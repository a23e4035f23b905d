/** `hoofbeat serve --workers`: real processes, real clients, and what happens when one of the processes dies. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import t, { type Test } from 'tap';
import { RunningCommand, runCommand, temporaryDirectory } from '../../helpers/cli.js';
import { runClientScript } from '../../helpers/client-script.js';
import { inTime } from '../../helpers/inbox.js';
import { PYTHON, requireProgram } from '../../helpers/programs.js';
import { openConnected, type RawClient } from '../../helpers/raw-client.js';
import { overSockJs, overWebSocket, StompjsClient } from '../../helpers/stompjs-client.js';
import { until } from '../../helpers/until.js';

interface Serving {
  readonly command: RunningCommand;
  readonly pid: number;
  readonly tcpPort: number;
  readonly httpPort: number;
}

async function serve(t: Test, ...args: readonly string[]): Promise<Serving> {
  const ports = ['--http-port', '0', '--tcp-port', '0', '--memory', '--json'];
  const command = new RunningCommand(t, ['serve', '--workers', '2', ...ports, ...args]);
  await command.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  const line = JSON.parse(command.stdout) as {
    pid: number;
    workers: number;
    addresses: { transport: string; port: number }[];
  };
  t.equal(line.workers, 2);
  t.equal(line.pid, command.child.pid);
  const portOf = (name: string): number => line.addresses.find(({ transport }) => transport === name)?.port ?? 0;
  return { command, pid: line.pid, tcpPort: portOf('tcp'), httpPort: portOf('http') };
}

/** Processes whose parent is `pid`; zombies are gone. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(parent) === pid && state !== 'Z' ? [Number(name)] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  await until('the end of the processes', () => !pids.some(isRunning));
}

async function openMany(t: Test, port: number, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => openConnected(t, port)));
}

/** Users by a header, for who connects from nowhere, and heart-beats that a test can wait for. */
const CONFIG = {
  auth: { anonymous: true, trustedHeader: { name: 'x-user-id', from: 'connect' } },
  broker: { heartBeat: { sendMs: 200, receiveMs: 200, tolerance: 5 } },
};

t.test('stompjs, SockJS and stomp.py meet across workers', async (t) => {
  const config = path.join(temporaryDirectory(t), 'hoofbeat.json');
  writeFileSync(config, JSON.stringify(CONFIG));
  const { tcpPort, httpPort } = await serve(t, '--log-level', 'silent', '--config', config);
  const ways = [overWebSocket(httpPort), overSockJs(httpPort, 'xhr-streaming'), overSockJs(httpPort, 'xhr-polling')];
  const clients: StompjsClient[] = [];
  for (const [k, way] of [...ways, ...ways].entries()) {
    clients.push(await StompjsClient.connect(t, { ...way, connectHeaders: { 'x-user-id': `user-${k}` } }));
  }
  const tcp = await openConnected(t, tcpPort);

  const all = await Promise.all(clients.map((client) => client.subscribe('/topic/all', { id: 'all' })));
  const own = await Promise.all(clients.map((client) => client.subscribe('/user/queue/own', { id: 'own' })));
  tcp.sendFrame('SEND', { destination: '/topic/all' }, 'to everybody');
  for (const k of clients.keys()) tcp.sendFrame('SEND', { destination: `/user/user-${k}/queue/own` }, `to user ${k}`);
  for (const k of clients.keys()) {
    t.equal((await all[k]?.next(`the message of client ${k}`))?.body, 'to everybody');
    t.equal((await own[k]?.next(`the message to user ${k}`))?.body, `to user ${k}`);
  }

  const [first, second] = clients as [StompjsClient, StompjsClient];
  const jobs = await first.subscribe('/queue/jobs', { id: 'jobs', ack: 'client-individual' });
  second.client.publish({ destination: '/queue/jobs', body: 'job' });
  const job = await jobs.next('the job');
  await first.deactivate();
  const again = await second.subscribe('/queue/jobs', { id: 'jobs', ack: 'client-individual' });
  const back = await again.next('the job that came back');
  t.match(back, { body: 'job', headers: { redelivered: 'true' } });
  t.equal(job.body, back.body);
  back.ack();
  await second.fence();
  if (requireProgram(t, 'python3-stomp')) await runClientScript(t, [PYTHON], 'stomp_py.py', [tcpPort, '1.2']);
});

t.test(
  'a worker that is killed takes its clients along; what they held goes to others, and it comes back',
  async (t) => {
    const { command, pid, tcpPort } = await serve(t);
    const clients = await openMany(t, tcpPort, 12);
    for (const client of clients) await client.subscribe('/queue/work', 'w', { ack: 'client-individual' });
    const sender = await openConnected(t, tcpPort);
    const COUNT = 120;
    for (let k = 0; k < COUNT; k++) sender.sendFrame('SEND', { destination: '/queue/work' }, String(k));
    await sender.fence();
    const [victim, survivor] = childrenOf(pid);
    if (victim === undefined || survivor === undefined) throw new Error('not two workers');
    process.kill(victim, 'SIGKILL');
    await command.until(({ stderr }) => stderr.includes('was ended by SIGKILL'), 'the log of it');
    const line = command.stderr.split('\n').find((text) => text.includes('was ended by SIGKILL')) ?? '';
    t.match(JSON.parse(line), { level: 50, pid: victim, restartInMs: 100 });
    const { lostConnections } = JSON.parse(line) as { lostConnections: number };

    t.ok(lostConnections <= clients.length + 1, `${lostConnections} connections were lost`);

    // Every message comes to somebody who lives.
    const last = await openConnected(t, tcpPort);
    await last.subscribe('/queue/work', 'w', { ack: 'client-individual' });
    const bodies = new Set<string>();
    const all = new Promise<void>((resolve) => {
      for (const client of [...clients, last]) void consume(client, bodies, () => bodies.size === COUNT && resolve());
    });
    await inTime(all, 'every message', 20_000);
    t.ok(childrenOf(pid).includes(survivor), 'the other one was left alone');

    await until('the new worker', () => childrenOf(pid).length >= 2);
    t.notOk(childrenOf(pid).includes(victim));
    await (await openConnected(t, tcpPort)).fence();
  },
);

async function consume(client: RawClient, bodies: Set<string>, onMessage: () => void): Promise<void> {
  try {
    for (;;) {
      const frame = await client.frame('MESSAGE');
      bodies.add(frame.text);
      onMessage();
      client.sendFrame('ACK', { id: frame.get('ack') ?? '' });
    }
  } catch {
    // Nothing more comes, or its worker is gone.
  }
}

t.test('when the broker is killed, no worker is left', async (t) => {
  const { pid, tcpPort } = await serve(t, '--log-level', 'silent');
  const [client] = (await openMany(t, tcpPort, 1)) as [RawClient];
  const workers = childrenOf(pid);
  t.equal(workers.length, 2);
  process.kill(pid, 'SIGKILL');
  await untilGone([pid, ...workers]);
  await client.closed().catch(() => undefined);
  t.ok(client.hasEnded || client.socket.destroyed);
});

t.test('SIGTERM writes what is queued, closes every session and exits 0; workers leave with it', async (t) => {
  const { command, pid, tcpPort, httpPort } = await serve(t, '--log-level', 'silent');
  const browser = await StompjsClient.connect(t, overWebSocket(httpPort));
  const inbox = await browser.subscribe('/topic/last');
  const sender = await openConnected(t, tcpPort);
  for (let k = 0; k < 500; k++) sender.sendFrame('SEND', { destination: '/topic/last' }, `${k} ${'x'.repeat(2_000)}`);
  await sender.fence();
  const workers = childrenOf(pid);
  // As a terminal's SIGINT would reach them too.
  for (const worker of workers) process.kill(worker, 'SIGINT');
  command.child.kill('SIGTERM');
  t.match(await inTime(browser.closed, 'the close'), { code: 1001 });
  t.equal(inbox.length, 500);
  t.equal((await inTime(command.ended, 'the end')).exitCode, 0);
  await untilGone(workers);
});

t.test('workers that cannot live stop the server, with a line and exit code 1', async (t) => {
  const { command, pid } = await serve(t, '--log-level', 'error');
  const killing = setInterval(() => {
    const [worker] = childrenOf(pid);
    try {
      if (worker !== undefined) process.kill(worker, 'SIGKILL');
    } catch {
      // It was gone before.
    }
  }, 20);
  t.teardown(() => {
    clearInterval(killing);
  });
  const { exitCode, stderr } = await inTime(command.ended, 'the end', 60_000);
  t.equal(exitCode, 1);
  t.match(stderr.trimEnd().split('\n').at(-1), /^worker [12] has died 5 times, each time soon after its start$/);
});

t.test('a busy port is the same line as without workers', async (t) => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  t.teardown(() => holder.close());
  const { port } = holder.address() as AddressInfo;
  const args = ['serve', '--workers', '2', '--memory', '--json', '--tcp-port', '0', '--http-port', String(port)];
  const { exitCode, stdout, stderr } = await runCommand(t, [...args, '--log-level', 'silent']);
  t.equal(exitCode, 1);
  t.equal(stdout, '');
  t.equal(stderr, `port ${port} on 127.0.0.1 is in use\n`);
});
