/** Sessions of a real broker, recorded: on a virtual clock, in memory and in SQLite. */
import path from 'node:path';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import {
  type ConnectionChange,
  type ConnectionRecord,
  type ConnectionSink,
  type ConnectionStatus,
  MemoryConnectionSink,
  SessionRecorder,
  type SessionRecorderOptions,
  SqliteConnectionSink,
  UnusableSinkError,
} from '../../../adapters/connection-log/index.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import type { Handshake } from '../../../broker/ports.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

const HOUR_MS = 3_600_000;
const OPTIONS: SessionRecorderOptions = {
  flushIntervalMs: 1_000,
  retentionMs: 30 * 24 * HOUR_MS,
  staleAfterMs: HOUR_MS,
  cleanUpIntervalMs: HOUR_MS,
  maxRows: 1_000_000,
  maxPendingRows: 100_000,
  userIdHeader: null,
  addressHeader: null,
};

/** Counts what it is given, and refuses it while told to. */
class WatchedSink extends MemoryConnectionSink {
  readonly batches: number[] = [];
  fault: Error | null = null;
  closes = 0;

  override async write(changes: readonly ConnectionChange[]): Promise<void> {
    if (this.fault !== null) throw this.fault;
    this.batches.push(changes.length);
    await super.write(changes);
  }

  override async close(): Promise<void> {
    this.closes++;
    await super.close();
  }
}

async function start<Sink extends ConnectionSink>(
  t: Test,
  sink: Sink,
  options: Partial<SessionRecorderOptions> = {},
  fixture = new BrokerFixture(),
) {
  const { clock, broker, log } = fixture;
  const logger = recordingLogger(log);
  const recorder = new SessionRecorder({ ...OPTIONS, ...options }, { events: broker.events, sink, clock, logger });
  t.teardown(() => recorder.close());
  await recorder.open();
  return { fixture, recorder, sink, clock };
}

/** What the recorder itself has told the log. */
function told({ log }: BrokerFixture): string[] {
  return log.map(({ message }) => message).filter((message) => message.includes('connection log'));
}

const FAILS = 'the connection log cannot be written; rows wait';
const WORKS = 'the connection log is written again';

/** Rows oldest first. */
async function rowsOf(recorder: SessionRecorder): Promise<ConnectionRecord[]> {
  return [...(await recorder.list({ limit: 10_000 }))].reverse();
}

function connectWith(
  fixture: BrokerFixture,
  headers: Readonly<Record<string, string>>,
  handshake: Handshake | null = null,
): FixtureClient {
  const client = fixture.open(undefined, handshake);
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', ...headers }));
  return client;
}

t.test('a session is a row from CONNECT on; one that was refused is none', async (t) => {
  const fixture = new BrokerFixture({ virtualHosts: ['h'] });
  const { recorder, clock } = await start(t, new MemoryConnectionSink(), {}, fixture);
  connectWith(fixture, { host: 'elsewhere' });
  fixture.open();
  const ann = connectWith(fixture, { login: 'ann' });
  const id = header(ann.frames()[0], 'session');
  const nowMs = clock.epochMs();
  t.strictSame(await recorder.list(), [
    {
      id: 1,
      connectionId: id,
      userId: 'ann',
      sessionId: id,
      connectedEpochMs: nowMs,
      disconnectedEpochMs: null,
      lastActiveEpochMs: nowMs,
      userAgent: null,
      ipAddress: '192.0.2.1',
      status: 'CONNECTED',
    },
  ]);
});

t.test('SUBSCRIBE renews the last activity; SEND does not', async (t) => {
  const { fixture, recorder, clock } = await start(t, new MemoryConnectionSink());
  const client = connectWith(fixture, {});
  const connectedMs = clock.epochMs();
  clock.advance(5_000);
  client.publish('/topic/a', 'x');
  t.match(await rowsOf(recorder), [{ lastActiveEpochMs: connectedMs }]);
  client.subscribe('1', '/topic/a');
  clock.advance(100);
  t.match(await rowsOf(recorder), [{ lastActiveEpochMs: connectedMs + 5_000, connectedEpochMs: connectedMs }]);
});

t.test('an orderly end, a drop or a refusal is DISCONNECTED, a fault of the transport is ERROR', async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 0, receiveMs: 1_000 } });
  fixture.broker.events.on('connected', ({ session }) => {
    if (session.user?.name === 'closed') session.disconnect();
  });
  const { recorder, clock } = await start(t, new MemoryConnectionSink(), {}, fixture);
  const connect = (login: string, beat = '0,0'): FixtureClient => connectWith(fixture, { login, 'heart-beat': beat });
  connect('polite').send(frameText('DISCONNECT', {}));
  connect('dropped').connection.vanish();
  connect('failed').connection.vanish(new Error('read ECONNRESET'));
  connect('wrong').send('NONSENSE\n\n\0');
  // The session had ended when the network failed.
  const late = connect('late');
  late.send(frameText('DISCONNECT', {}));
  late.connection.vanish(new Error('write EPIPE'));
  connect('closed');
  connect('silent', '1000,0');
  clock.advance(5_000);
  const rows = await rowsOf(recorder);
  t.strictSame(
    rows.map(({ userId, status }) => [userId, status]),
    [
      ['polite', 'DISCONNECTED'],
      ['dropped', 'DISCONNECTED'],
      ['failed', 'ERROR'],
      ['wrong', 'DISCONNECTED'],
      ['late', 'DISCONNECTED'],
      ['closed', 'DISCONNECTED'],
      ['silent', 'ERROR'],
    ],
  );
  t.ok(rows.every((row) => (row.disconnectedEpochMs ?? 0) >= row.connectedEpochMs));
});

t.test('a slow consumer is an ERROR', async (t) => {
  const outbox = { highWaterBytes: 10, softLimitBytes: 100, softLimitMs: 1_000, hardLimitBytes: 1_000 };
  const { fixture, recorder, clock } = await start(t, new MemoryConnectionSink(), {}, new BrokerFixture({ outbox }));
  const slow = fixture.connect();
  slow.subscribe('1', '/topic/a');
  slow.connection.freeze();
  const publisher = fixture.connect();
  for (let k = 0; k < 20; k++) {
    publisher.publish('/topic/a', 'x'.repeat(100));
    clock.turn();
  }
  t.match(await rowsOf(recorder), [{ status: 'ERROR' }, { status: 'CONNECTED' }]);
});

t.test('with userIdHeader the user is the number in it, and nothing else', async (t) => {
  const { fixture, recorder } = await start(t, new MemoryConnectionSink(), { userIdHeader: 'X-User-ID' });
  const values = ['123', '+5', '-1', '007', 'ann', '1.5', '', ' 1', '9223372036854775807', '9223372036854775808'];
  for (const value of values) connectWith(fixture, { login: 'ann', 'X-User-ID': value });
  connectWith(fixture, { login: 'ann', 'x-user-id': '77' });
  connectWith(fixture, { login: 'ann' });
  t.strictSame(
    (await rowsOf(recorder)).map(({ userId }) => userId),
    ['123', '5', '-1', '7', null, null, null, null, '9223372036854775807', null, '77', null],
  );
});

t.test('the user agent is that of CONNECT, or else of the HTTP request, cut to a thousand characters', async (t) => {
  const { fixture, recorder } = await start(t, new MemoryConnectionSink());
  const handshake: Handshake = { url: '/ws', headers: { 'user-agent': 'Browser/1' } };
  connectWith(fixture, { 'user-agent': 'stomp.py/8' }, handshake);
  connectWith(fixture, { 'User-Agent': 'StompJs/7' }, handshake);
  connectWith(fixture, {}, handshake);
  connectWith(fixture, {}, { url: '/ws', headers: {} });
  connectWith(fixture, { 'user-agent': 'x'.repeat(5_000) });
  t.strictSame(
    (await rowsOf(recorder)).map(({ userAgent }) => userAgent),
    ['stomp.py/8', 'StompJs/7', 'Browser/1', null, 'x'.repeat(1_024)],
  );
});

t.test('the address is what a trusted proxy says first, or else the peer of the socket', async (t) => {
  const { fixture, recorder } = await start(t, new MemoryConnectionSink());
  const address = async (forwarded: string | string[] | undefined, isProxyTrusted?: boolean) => {
    const handshake = { url: '/ws', headers: { 'x-forwarded-for': forwarded }, isProxyTrusted };
    connectWith(fixture, { 'X-Forwarded-For': '198.51.100.9' }, handshake);
    return (await recorder.list({ limit: 1 }))[0]?.ipAddress;
  };
  t.equal(await address('203.0.113.7, 10.0.0.1', true), '203.0.113.7');
  t.equal(await address(' 2001:db8::7 ,10.0.0.1', true), '2001:db8::7');
  t.equal(await address('203.0.113.7:4711', true), '203.0.113.7');
  t.equal(await address('[2001:db8::7]:4711', true), '2001:db8::7');
  t.equal(await address('::ffff:203.0.113.7', true), '203.0.113.7');
  t.equal(await address('fe80::1%eth0', true), 'fe80::1');
  t.equal(await address(['203.0.113.8', '10.0.0.1'], true), '203.0.113.8');
  for (const nonsense of ['unknown', '', '<script>', '1'.repeat(60), '300.1.1.1']) {
    t.equal(await address(nonsense, true), '192.0.2.1', nonsense);
  }
  t.equal(await address(undefined, true), '192.0.2.1');
  t.equal(await address('203.0.113.7', false), '192.0.2.1');
  t.equal(await address('203.0.113.7'), '192.0.2.1');
});

t.test('with addressHeader the CONNECT frame is believed, behind a trusted proxy', async (t) => {
  const { fixture, recorder } = await start(t, new MemoryConnectionSink(), { addressHeader: 'X-Forwarded-For' });
  const headers = { 'X-Forwarded-For': '198.51.100.9, 10.0.0.1' };
  connectWith(fixture, headers);
  connectWith(fixture, headers, { url: '/', headers: { 'x-forwarded-for': '203.0.113.7' }, isProxyTrusted: true });
  connectWith(fixture, headers, { url: '/', headers: { 'x-forwarded-for': '203.0.113.7' } });
  connectWith(fixture, { 'X-Forwarded-For': 'nowhere' });
  t.strictSame(
    (await rowsOf(recorder)).map(({ ipAddress }) => ipAddress),
    ['198.51.100.9', '203.0.113.7', '198.51.100.9', '192.0.2.1'],
  );
});

t.test('changes are gathered until the interval is over, one for each connection', async (t) => {
  const { fixture, sink, clock } = await start(t, new WatchedSink());
  const client = connectWith(fixture, {});
  for (let k = 0; k < 50; k++) client.subscribe(String(k), `/topic/${k}`);
  connectWith(fixture, {}).connection.vanish();
  clock.advance(999);
  await settle();
  t.strictSame(sink.batches, []);
  clock.advance(1);
  await settle();
  t.strictSame(sink.batches, [2]);
  clock.advance(10_000);
  await settle();
  t.strictSame(sink.batches, [2], 'nothing to write, nothing written');
});

t.test('a thousand changes are written without waiting, and more in several batches', async (t) => {
  const { fixture, sink, recorder } = await start(t, new WatchedSink());
  for (let k = 0; k < 2_500; k++) connectWith(fixture, {});
  await settle();
  t.equal(sink.batches[0], 1_000);
  await recorder.statistics();
  t.strictSame(sink.batches, [1_000, 1_000, 500]);
});

t.test('while the sink fails rows wait, up to a bound; one warning, one line when it is over', async (t) => {
  const { fixture, sink, recorder, clock } = await start(t, new WatchedSink(), { maxPendingRows: 3 });
  sink.fault = new Error('disk full');
  const clients = [fixture.connect()];
  clock.advance(1_000);
  await settle();
  t.match(fixture.log.at(-1), { level: 'warn', message: FAILS, fields: { sink: 'memory', reason: 'disk full' } });
  for (let k = 0; k < 4; k++) clients.push(fixture.connect());
  for (let k = 0; k < 10; k++) {
    clock.advance(1_000);
    await settle();
  }
  t.strictSame(told(fixture), [FAILS]);
  t.match(await recorder.statistics(), { total: 0, active: 5, pending: 3, dropped: 2 });
  // Of a connection whose row waits, later changes are kept; the broker serves all five.
  clients[0]?.connection.vanish();
  clients[4]?.subscribe('1', '/topic/a');
  clients[4]?.publish('/topic/a', 'still here');
  t.strictSame(clients[4]?.bodies(), ['still here']);
  sink.fault = null;
  clock.advance(1_000);
  await settle();
  t.strictSame(told(fixture), [FAILS, WORKS]);
  t.match(fixture.log.at(-1), { level: 'info', fields: { sink: 'memory', dropped: 3 } });
  t.match(await recorder.statistics(), {
    byStatus: { CONNECTED: 2, DISCONNECTED: 1, ERROR: 0 },
    active: 4,
    pending: 0,
    dropped: 3,
  });
  sink.fault = new Error('again');
  fixture.connect();
  clock.advance(1_000);
  await settle();
  t.strictSame(told(fixture), [FAILS, WORKS, FAILS], 'the next outage is told again');
});

t.test('rows that come faster than they are written are told of once, too', async (t) => {
  class SlowSink extends MemoryConnectionSink {
    isSlow = true;
    release: () => void = () => undefined;

    override async write(changes: readonly ConnectionChange[]): Promise<void> {
      if (this.isSlow) await new Promise<void>((resolve) => (this.release = resolve));
      await super.write(changes);
    }
  }
  const { fixture, sink, clock } = await start(t, new SlowSink(), { maxPendingRows: 2 });
  fixture.connect();
  clock.advance(1_000);
  for (let k = 0; k < 6; k++) fixture.connect();
  t.strictSame(told(fixture), [FAILS]);
  sink.isSlow = false;
  sink.release();
  await settle();
  t.strictSame(told(fixture), [FAILS, WORKS]);
  t.match(fixture.log.at(-1), { fields: { dropped: 4 } });
});

t.test('a change that comes while its row is being written is not lost when that fails', async (t) => {
  let fail: (error: Error) => void = () => undefined;
  class HeldSink extends MemoryConnectionSink {
    isHeld = true;

    override write(changes: readonly ConnectionChange[]): Promise<void> {
      if (!this.isHeld) return super.write(changes);
      return new Promise((_resolve, reject) => (fail = reject));
    }
  }
  const { fixture, sink, recorder, clock } = await start(t, new HeldSink());
  const [ended, active] = [fixture.connect(), fixture.connect()];
  const connectedMs = clock.epochMs();
  clock.advance(1_000);
  ended.connection.vanish(new Error('read ECONNRESET'));
  active.subscribe('1', '/topic/a');
  sink.isHeld = false;
  fail(new Error('disk full'));
  await settle();
  t.match(await rowsOf(recorder), [
    { status: 'ERROR', connectedEpochMs: connectedMs, disconnectedEpochMs: connectedMs + 1_000 },
    { status: 'CONNECTED', connectedEpochMs: connectedMs, lastActiveEpochMs: connectedMs + 1_000 },
  ]);
});

t.test('rows left CONNECTED by a process that is no more are ended; open ones stay, however quiet', async (t) => {
  const fixture = new BrokerFixture();
  const sink = new MemoryConnectionSink();
  const startMs = fixture.clock.epochMs();
  const left = (connectionId: string, agoMs: number): ConnectionChange => ({
    kind: 'insert',
    connection: {
      connectionId,
      userId: null,
      sessionId: connectionId,
      connectedEpochMs: startMs - 2 * HOUR_MS,
      disconnectedEpochMs: null,
      lastActiveEpochMs: startMs - agoMs,
      userAgent: null,
      ipAddress: null,
      status: 'CONNECTED',
    },
  });
  // More than two pages of them.
  await sink.write(Array.from({ length: 2_001 }, (_, k) => left(`old${k}`, HOUR_MS + 1)));
  await sink.write([left('young', HOUR_MS - 60_000)]);
  const { recorder, clock } = await start(t, sink, {}, fixture);
  await recorder.cleanUp();
  t.match(await recorder.statistics(), { byStatus: { CONNECTED: 1, DISCONNECTED: 2_001 } });
  t.match(await recorder.list({ status: 'DISCONNECTED', limit: 1 }), [{ disconnectedEpochMs: startMs }]);
  const open = fixture.connect();
  clock.advance(HOUR_MS);
  await recorder.cleanUp();
  t.match(await recorder.list({ limit: 2 }), [
    { status: 'CONNECTED' },
    { connectionId: 'young', status: 'DISCONNECTED', disconnectedEpochMs: startMs + HOUR_MS },
  ]);
  clock.advance(5 * HOUR_MS);
  await recorder.cleanUp();
  t.match(await recorder.list({ limit: 1 }), [{ status: 'CONNECTED', lastActiveEpochMs: startMs }]);
  t.notOk(open.isGone);
});

t.test('rows of ended connections go after their time; rows beyond the bound go before it', async (t) => {
  const options = { retentionMs: 2 * HOUR_MS, maxRows: 3 };
  const { fixture, recorder, clock } = await start(t, new MemoryConnectionSink(), options);
  fixture.connect().connection.vanish();
  fixture.connect();
  clock.advance(HOUR_MS);
  await recorder.cleanUp();
  t.equal((await recorder.statistics()).total, 2);
  clock.advance(HOUR_MS + 60_000);
  await recorder.cleanUp();
  t.match(await rowsOf(recorder), [{ id: 2, status: 'CONNECTED' }]);
  for (let k = 0; k < 5; k++) fixture.connect().connection.vanish();
  await recorder.statistics();
  await recorder.cleanUp();
  t.strictSame(
    (await rowsOf(recorder)).map(({ id }) => id),
    [2, 6, 7],
  );
});

t.test('the bound on rows does not wait for the hour', async (t) => {
  const { fixture, recorder } = await start(t, new MemoryConnectionSink(), { maxRows: 100 });
  for (let k = 0; k < 5_000; k++) {
    fixture.connect().connection.vanish();
    if (k % 100 === 0) await settle();
  }
  const { total } = await recorder.statistics();
  t.ok(total >= 100 && total <= 100 + 2 * 1_000, `${total} rows`);
});

t.test('closing ends what is open, writes it, and records nothing after that', async (t) => {
  const { fixture, recorder, sink, clock } = await start(t, new WatchedSink());
  const open = fixture.connect();
  await Promise.all([recorder.close(), recorder.close()]);
  t.match(await sink.list({ limit: 10, offset: 0 }), [
    { status: 'DISCONNECTED', disconnectedEpochMs: clock.epochMs() },
  ]);
  open.connection.vanish(new Error('too late'));
  fixture.connect();
  t.equal(sink.closes, 1);
  t.equal(fixture.broker.events.has('connect'), false);
  t.equal((await sink.statistics(0)).total, 1);
});

t.test('closing while the sink fails says how many rows are lost', async (t) => {
  const { fixture, recorder, sink } = await start(t, new WatchedSink());
  sink.fault = new Error('disk full');
  fixture.connect();
  await recorder.close();
  t.match(fixture.log.slice(-2), [
    { level: 'warn', fields: { reason: 'disk full' } },
    { level: 'warn', message: 'rows of the connection log were not written', fields: { lost: 1 } },
  ]);
});

t.test('a sink that hangs does not keep the server from ending', async (t) => {
  class HungSink extends MemoryConnectionSink {
    override write(): Promise<void> {
      return new Promise(() => undefined);
    }
  }
  const { fixture, recorder, clock } = await start(t, new HungSink());
  fixture.connect();
  const closed = recorder.close();
  await settle();
  clock.advance(5_000);
  await closed;
  t.strictSame(told(fixture), [FAILS]);
});

t.test('a log that is out of order at the start is an outage; one that is unusable is refused', async (t) => {
  class LateSink extends WatchedSink {
    override open(): Promise<void> {
      return Promise.reject(new Error('locked'));
    }
  }
  const { fixture, recorder, clock } = await start(t, new LateSink());
  fixture.connect();
  clock.advance(1_000);
  await settle();
  t.strictSame(told(fixture), [FAILS, WORKS]);
  t.equal((await recorder.statistics()).total, 1);
  class BadSink extends WatchedSink {
    override open(): Promise<void> {
      return Promise.reject(new UnusableSinkError('no log'));
    }
  }
  const bad = new BadSink();
  await t.rejects(start(t, bad), new UnusableSinkError('no log'));
  t.equal(bad.closes, 1);
});

t.test('a query that makes no sense is refused by name', async (t) => {
  const { recorder } = await start(t, new MemoryConnectionSink());
  await t.rejects(recorder.list({ limit: 0 }), new RangeError('limit: got 0, wants a whole number from 1 to 10000'));
  await t.rejects(recorder.list({ offset: -1 }), { message: /^offset: got -1, / });
  await t.rejects(recorder.statistics(1.5), { message: /^maxUsers: got 1.5, / });
  await t.rejects(recorder.list({ status: 'OPEN' as ConnectionStatus }), {
    message: 'status: got OPEN, wants one of CONNECTED, DISCONNECTED, ERROR',
  });
});

const BREAK = `CREATE TRIGGER broken BEFORE INSERT ON websocket_connections BEGIN SELECT RAISE(ABORT, 'full'); END`;

t.test('10,000 sessions that come and go add up in SQLite, through an outage', async (t) => {
  const file = path.join(t.testdir(), 'log', 'connections.db');
  const { fixture, recorder, clock } = await start(t, new SqliteConnectionSink(file));
  const expected = new Map<string, ConnectionStatus>();
  const open: { readonly client: FixtureClient; readonly id: string }[] = [];
  let random = 12_345;
  const chance = (of: number): number => (random = (random * 48_271) % 2_147_483_647) % of;
  const endOne = (): void => {
    const [ended] = open.splice(chance(open.length), 1);
    if (ended === undefined) return;
    const isFault = chance(3) === 0;
    if (isFault) ended.client.connection.vanish(new Error('read ECONNRESET'));
    else if (chance(2) === 0) ended.client.connection.vanish();
    else ended.client.send(frameText('DISCONNECT', {}));
    expected.set(ended.id, isFault ? 'ERROR' : 'DISCONNECTED');
  };
  const other = new Database(file);
  t.teardown(() => other.close());
  for (let k = 0; k < 10_000; k++) {
    const client = fixture.connect({ login: `user${k % 7}` });
    const id = header(client.welcome, 'session') ?? '';
    expected.set(id, 'CONNECTED');
    open.push({ client, id });
    if (chance(2) === 0) client.subscribe('1', '/topic/a');
    while (open.length > 20 + chance(20)) endOne();
    clock.advance(chance(10));
    // The database itself refuses new rows for a while.
    if (k === 4_000) other.exec(BREAK);
    if (k % 500 === 0) await recorder.statistics();
    if (k === 6_000) other.exec('DROP TRIGGER broken');
  }
  clock.turn();
  const statistics = await recorder.statistics();
  const count = (status: ConnectionStatus): number => [...expected.values()].filter((each) => each === status).length;
  t.match(statistics, {
    total: 10_000,
    active: open.length,
    pending: 0,
    dropped: 0,
    byStatus: { CONNECTED: open.length, DISCONNECTED: count('DISCONNECTED'), ERROR: count('ERROR') },
  });
  const sum = (of: 'connections' | 'connected'): number => statistics.users.reduce((all, user) => all + user[of], 0);
  t.strictSame([sum('connections'), sum('connected')], [10_000, open.length]);
  const rows = await rowsOf(recorder);
  t.strictSame(new Map(rows.map(({ connectionId, status }) => [connectionId, status])), expected);
  t.strictSame(told(fixture), [FAILS, WORKS]);
});
