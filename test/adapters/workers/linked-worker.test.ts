/** Both ends of a link with a real broker behind one and connections without sockets behind the other. */
import t, { type Test } from 'tap';
import { Broker, type BrokerOptions, type Partially } from '../../../broker/index.js';
import { recordingLogger, type LogLine } from '../../../adapters/testing/recorded-log.js';
import { SystemClock } from '../../../adapters/system-clock.js';
import type { WorkerReport } from '../../../adapters/workers/link-messages.js';
import { LinkedWorker } from '../../../adapters/workers/linked-worker.js';
import { WorkerEnd } from '../../../adapters/workers/worker-end.js';
import type { Handshake } from '../../../broker/ports.js';
import { frameText } from '../../helpers/broker-fixture.js';
import { inTime } from '../../helpers/inbox.js';
import { MemoryConnection, RAW } from '../../helpers/memory-connection.js';
import { readServerFrames, type ServerFrame } from '../../helpers/server-frames.js';
import { socketPair } from '../../helpers/socket-pair.js';

const MIB = 1024 * 1024;
const framings = { raw: RAW };
const REPORT: WorkerReport = {
  heapBytes: 2,
  heapLimitBytes: 100,
  totalBytes: 3,
  residentBytes: 4,
  cpuMs: 5,
  delay: null,
  sockets: { open: 1, max: 2 },
  shortage: null,
};

/** A client whose connection a worker holds. */
class Client {
  readonly connection: MemoryConnection;
  readonly frames: ServerFrame[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(worker: WorkerEnd, handshake: Handshake | null = null) {
    this.connection = new MemoryConnection((task) => setImmediate(task), RAW, handshake);
    this.connection.listener = worker.accept(this.connection);
  }

  send(command: string, headers: Readonly<Record<string, string>>, body = ''): void {
    this.connection.feed(frameText(command, headers, body));
  }

  connect(headers: Readonly<Record<string, string>> = {}): void {
    this.send('CONNECT', { 'accept-version': '1.2', host: 'test', ...headers });
  }

  read(): readonly ServerFrame[] {
    const octets = Buffer.concat([this.#rest, this.connection.take()]);
    const { frames, rest } = readServerFrames(octets, '1.2');
    this.#rest = Buffer.from(rest);
    this.frames.push(...frames);
    return this.frames;
  }

  /** Resolves once that many frames of a kind have arrived; turns of the event loop, no time. */
  async until(command: string, count = 1): Promise<readonly ServerFrame[]> {
    const ofKind = (): readonly ServerFrame[] => this.read().filter((frame) => frame.command === command);
    await reached(() => ofKind().length >= count, `${count} ${command}`);
    return ofKind();
  }

  bodies(): string[] {
    return this.read().flatMap(({ command, body }) => (command === 'MESSAGE' ? [body.toString()] : []));
  }
}

async function reached(isReached: () => boolean, what: string): Promise<void> {
  let isGivenUp = false;
  const turns = async (): Promise<void> => {
    while (!isReached() && !isGivenUp) await new Promise(setImmediate);
  };
  await inTime(turns(), what, 20_000).finally(() => {
    isGivenUp = true;
  });
}

async function open(t: Test, options: Partially<BrokerOptions> = {}) {
  const [near, far] = await socketPair(t);
  const clock = new SystemClock();
  const log: LogLine[] = [];
  const broker = new Broker(
    { heartBeat: { sendMs: 0, receiveMs: 0 }, ...options },
    {
      clock,
      logger: recordingLogger(log, 'info'),
      authenticator: { authenticate: ({ login }) => ({ name: login ?? null, roles: [] }) },
    },
  );
  await broker.start();
  t.teardown(() => broker.stop(0));
  /** What sessions are said to have with the transport, each time that the link is full. */
  const heldWhenFull: number[] = [];
  const reports: WorkerReport[] = [];
  const linked: LinkedWorker = new LinkedWorker(near, {
    accept: (connection) => broker.accept(connection),
    framings,
    onReady: () => undefined,
    onReport: (_link, report) => reports.push(report),
    onFailed: () => undefined,
    onCongestion: () => {
      if (linked.isCongested)
        heldWhenFull.push(...[...broker.operations.sessions()].map((each) => each.transportBytes));
      if (linked.isCongested) linked.hold();
      else linked.release();
    },
    onLinkEnd: () => undefined,
  });
  const worker = new WorkerEnd(far, {
    framings,
    onSetup: () => undefined,
    onStopAccepting: () => undefined,
    onLeave: () => undefined,
    onAsk: (collects) => (collects ? { ...REPORT, heapBytes: 1 } : REPORT),
    onLinkEnd: () => undefined,
  });
  const client = async (login = 'guest'): Promise<Client> => {
    const opened = new Client(worker);
    opened.connect({ login, passcode: 'x' });
    await opened.until('CONNECTED');
    return opened;
  };
  return { broker, linked, worker, client, log, near, heldWhenFull, reports };
}

async function subscribe(client: Client, destination: string, headers: Readonly<Record<string, string>> = {}) {
  client.send('SUBSCRIBE', { id: 's', destination, receipt: 'subscribed', ...headers });
  await client.until('RECEIPT');
}

t.test('the broker sees transport, address and handshake of a connection that a worker holds', async (t) => {
  const { broker, worker } = await open(t);
  const handshakes: unknown[] = [];
  broker.events.on('connect', ({ session, handshake }) =>
    handshakes.push([session.transport, session.remoteAddress, handshake]),
  );
  const handshake = { url: '/ws?token=x', headers: { cookie: 'a=b', 'x-many': ['1', '2'] }, isProxyTrusted: true };
  const client = new Client(worker, handshake);
  client.connect();
  await client.until('CONNECTED');
  t.strictSame(handshakes, [['memory', '192.0.2.1', handshake]]);
  t.equal(broker.stats().connections.current, 1);
});

t.test('a worker hears from the broker that nothing is owed to a client that has ended its side', async (t) => {
  const { client } = await open(t);
  const { connection } = await client();
  await inTime(connection.listener?.onEnd?.() ?? Promise.reject(new Error('nobody asks')), 'the answer');
  t.equal(connection.isGone, false);
});

t.test('messages of many senders arrive in the order of each, whatever their sizes', async (t) => {
  const { client } = await open(t);
  const subscriber = await client();
  await subscribe(subscriber, '/topic/a');
  const senders = [await client(), await client(), await client()];
  const COUNT = 200;
  for (let k = 0; k < COUNT; k++) {
    for (const [s, sender] of senders.entries()) {
      sender.send('SEND', { destination: '/topic/a' }, `${s} ${k} ${'x'.repeat((k * 997 * (s + 1)) % 50_000)}`);
    }
    if (k % 7 === 0) await new Promise(setImmediate);
  }
  await subscriber.until('MESSAGE', COUNT * senders.length);
  const bodies = subscriber.bodies().map((body) => body.split(' '));
  for (const s of senders.keys()) {
    const numbers = bodies.filter(([sender]) => sender === String(s)).map(([, number]) => Number(number));
    t.strictSame(
      numbers,
      Array.from({ length: COUNT }, (_, k) => k),
    );
  }
});

t.test('a body of 10 MB passes both ways, to several subscribers', async (t) => {
  const { client, heldWhenFull } = await open(t);
  const subscribers = [await client(), await client(), await client()];
  for (const subscriber of subscribers) await subscribe(subscriber, '/topic/large');
  const body = Buffer.alloc(10 * MIB, 'Pferd ').toString();
  (await client()).send('SEND', { destination: '/topic/large', 'content-length': String(body.length) }, body);
  for (const subscriber of subscribers) {
    await subscriber.until('MESSAGE');
    t.ok(subscriber.bodies()[0] === body, 'unchanged');
  }
  t.ok(heldWhenFull.length > 0, 'the link was full');
  t.ok(Math.max(...heldWhenFull) < 40 * MIB, 'of which nobody is said to have more than there is');
});

t.test('what many subscribers get alike crosses the link once, and counts as if each had its own', async (t) => {
  const { client, linked, near } = await open(t);
  const subscribers = await Promise.all(Array.from({ length: 50 }, () => client()));
  for (const subscriber of subscribers) await subscribe(subscriber, '/topic/a');
  const other = await client();
  other.send('SUBSCRIBE', { id: 'another', destination: '/topic/a', receipt: 'subscribed' });
  await other.until('RECEIPT');
  const sender = await client();
  for (const [size, count] of [
    [1_000, 5],
    [2_000_000, 1],
  ] as const) {
    const before = { crossed: near.bytesWritten, counted: linked.sentBytes };
    for (let k = 0; k < count; k++) sender.send('SEND', { destination: '/topic/a' }, `${k} ${'x'.repeat(size)}`);
    for (const subscriber of [...subscribers, other]) {
      await subscriber.until('MESSAGE', count);
      const bodies = subscriber.bodies().splice(-count);
      t.ok(bodies.every((body, k) => body === `${k} ${'x'.repeat(size)}`));
      subscriber.frames.length = 0;
    }
    t.ok(near.bytesWritten - before.crossed < count * size * 5, 'for one and one other');
    t.ok(linked.sentBytes - before.counted > count * size * 51);
    await reached(() => linked.processedBytes === linked.sentBytes, 'both ends to count alike');
  }
});

t.test('a reader that stops is cut in the end, and nobody else waits for it', async (t) => {
  const outbox = { highWaterBytes: 64 * 1024, softLimitBytes: MIB, hardLimitBytes: 2 * MIB };
  const { broker, client } = await open(t, { outbox });
  const [frozen, reader, sender] = [await client(), await client(), await client()];
  for (const each of [frozen, reader]) await subscribe(each, '/topic/a');
  frozen.connection.freeze();
  const body = 'x'.repeat(8_000);
  let sent = 0;
  while (!frozen.connection.calls.includes('destroy') && sent < 2_000) {
    for (let k = 0; k < 20; k++) sender.send('SEND', { destination: '/topic/a' }, `${sent++} ${body}`);
    await reader.until('MESSAGE', sent);
  }
  t.equal(frozen.connection.closedWith?.code, 'slow-consumer');
  t.ok(sent * body.length > 2 * MIB, 'not before its bound');
  t.strictSame(
    reader.bodies().map((text) => Number.parseInt(text, 10)),
    Array.from({ length: sent }, (_, k) => k),
  );
  await reached(() => broker.stats().connections.current === 2, 'the end of the session');
  t.match(broker.stats().closed, { 'slow-consumer': 1 });
});

t.test('what waited for a slow reader arrives, in order, when it reads on', async (t) => {
  const { client } = await open(t, { outbox: { highWaterBytes: 32 * 1024 } });
  const [slow, sender] = [await client(), await client()];
  await subscribe(slow, '/topic/a');
  slow.connection.freeze();
  const COUNT = 300;
  for (let k = 0; k < COUNT; k++) sender.send('SEND', { destination: '/topic/a' }, `${k} ${'x'.repeat(1_000)}`);
  sender.send('SEND', { destination: '/topic/b', receipt: 'all' });
  await sender.until('RECEIPT');
  await reached(() => slow.connection.bufferedBytes > 0, 'what waits in the worker');
  t.ok(slow.connection.bufferedBytes < 100 * 1024, 'the rest is with the broker, where it is counted');
  slow.connection.thaw();
  await slow.until('MESSAGE', COUNT);
  t.strictSame(
    slow.bodies().map((text) => Number.parseInt(text, 10)),
    Array.from({ length: COUNT }, (_, k) => k),
  );
});

t.test('clients that send more than the broker takes on are not read, until it does', async (t) => {
  const { linked, client } = await open(t);
  const [subscriber, flooding, quiet] = [await client(), await client(), await client()];
  await subscribe(subscriber, '/topic/a');
  linked.hold();
  let sent = 0;
  while (!flooding.connection.isPaused) {
    flooding.send('SEND', { destination: '/topic/a' }, `${sent++} ${'x'.repeat(50_000)}`);
    if (sent > 200) break;
  }
  t.ok(flooding.connection.isPaused, `after ${sent} messages`);
  t.notOk(quiet.connection.isPaused, 'who sends nothing is left alone');
  linked.release();
  await reached(() => !flooding.connection.isPaused, 'reading again');
  await subscriber.until('MESSAGE', sent);
  t.equal(subscriber.bodies().length, sent);
});

t.test('a worker tells how it is when it is asked, also while frames are held back', async (t) => {
  const { linked, worker, reports, client } = await open(t);
  await client();
  linked.hold();
  linked.ask(false);
  await reached(() => reports.length === 1, 'the report');
  t.strictSame(reports, [REPORT]);
  linked.ask(true);
  await reached(() => reports.length === 2, 'another');
  t.equal(reports[1]?.heapBytes, 1);
  worker.report({ ...REPORT, shortage: 'files' });
  await reached(() => reports.length === 3, 'what nobody asked for');
  t.equal(reports[2]?.shortage, 'files');
  t.equal(linked.connectionCount, 1);
});

t.test('while more is on its way to the worker than is good, publishers wait and nobody is cut', async (t) => {
  const { broker, linked, client } = await open(t, { outbox: { softLimitBytes: 32 * MIB, hardLimitBytes: 64 * MIB } });
  const subscribers = await Promise.all(Array.from({ length: 40 }, () => client()));
  for (const subscriber of subscribers) await subscribe(subscriber, '/topic/a');
  const sender = await client();
  let wasCongested = false;
  const COUNT = 60;
  for (let k = 0; k < COUNT; k++) {
    sender.send('SEND', { destination: '/topic/a' }, `${k} ${'x'.repeat(20_000)}`);
    await new Promise(setImmediate);
    wasCongested ||= linked.isCongested;
  }
  for (const subscriber of subscribers) {
    await subscriber.until('MESSAGE', COUNT);
    t.strictSame(
      subscriber.bodies().map((text) => Number.parseInt(text, 10)),
      Array.from({ length: COUNT }, (_, k) => k),
    );
  }
  t.notOk(linked.isCongested);
  t.equal(broker.stats().connections.current, subscribers.length + 1);
  t.comment(wasCongested ? 'the link was full at times' : 'the link was never full');
});

t.test('when the link breaks its sessions end as broken connections, and what they held goes to others', async (t) => {
  const { broker, linked, worker, client } = await open(t);
  const consumer = await client('ann');
  await subscribe(consumer, '/queue/a', { ack: 'client-individual' });
  consumer.send('SEND', { destination: '/queue/a' }, 'precious');
  await consumer.until('MESSAGE');
  t.equal(broker.users.count(), 1);
  linked.destroy();
  t.match(broker.stats(), { connections: { current: 0, transportErrors: 1 }, closed: { 'client-gone': 1 } });
  t.equal(broker.users.count(), 0);
  t.equal(linked.lostConnections, 1);
  // Written to a link that is gone: nobody's fault.
  new Client(worker).connect();
});

t.test('a broker that is full refuses, and the worker closes the connection', async (t) => {
  const { worker, client } = await open(t, { limits: { maxConnections: 1 } });
  await client();
  const second = new Client(worker);
  await reached(() => second.connection.closedWith !== null, 'the refusal');
  t.match(second.connection.closedWith, { code: 'refused', webSocketStatus: 1013 });
});

t.test('a handler that takes its time pauses the socket of its client and no other', async (t) => {
  const { broker, client } = await open(t);
  let finish: () => void = () => undefined;
  broker.message('/slow', () => new Promise<void>((resolve) => (finish = resolve)));
  const [asking, other] = [await client(), await client()];
  asking.send('SEND', { destination: '/app/slow', receipt: 'r' });
  await reached(() => asking.connection.isPaused, 'the pause');
  t.notOk(other.connection.isPaused);
  finish();
  await asking.until('RECEIPT');
  await reached(() => !asking.connection.isPaused, 'reading again');
});
