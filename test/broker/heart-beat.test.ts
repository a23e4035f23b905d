import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

/** A broker with its own offer and one client with its own; `tolerance` is 2. */
function connect(server: string, client: string, version = '1.2'): { fixture: BrokerFixture; client: FixtureClient } {
  const [sendMs = 0, receiveMs = 0] = server.split(',').map(Number);
  const fixture = new BrokerFixture({ heartBeat: { sendMs, receiveMs, tolerance: 2 } });
  return { fixture, client: fixture.connect({ 'heart-beat': client, 'accept-version': version }) };
}

/** When each heart-beat arrived, in ms, looked at every 10 ms; the client keeps sending its own. */
function beatTimes(fixture: BrokerFixture, client: FixtureClient, forMs: number, chatter = true): number[] {
  const times: number[] = [];
  let seen = 0;
  for (let at = 0; at < forMs; at += 10) {
    if (chatter && at % 100 === 0) client.send('\n');
    fixture.clock.advance(10);
    client.frames();
    if (client.heartBeats > seen) times.push(at + 10);
    seen = client.heartBeats;
  }
  return times;
}

t.test('C-24 the server beats when it can and the client wants it, at the slower pace', async (t) => {
  const numbers = [0, 300, 2_000];
  for (const sx of numbers) {
    for (const cy of numbers) {
      const { fixture, client } = connect(`${sx},0`, `0,${cy}`);
      const everyMs = sx === 0 || cy === 0 ? 0 : Math.max(sx, cy);
      const times = beatTimes(fixture, client, 6_500);
      if (everyMs === 0) t.strictSame(times, [], `${sx} ${cy}`);
      else {
        const gaps = times.map((at, k) => at - (times[k - 1] ?? 0));
        t.ok(Math.max(...gaps) <= everyMs, `C-26 every ${everyMs}: longest gap ${Math.max(...gaps)}`);
        t.ok(Math.min(...gaps) >= everyMs / 3, `and no flood: shortest ${Math.min(...gaps)}`);
        t.ok(times.length >= Math.floor(6_400 / everyMs), `${times.length} beats`);
      }
    }
  }
});

t.test('C-24 C-29 the client is cut off after two of its intervals of silence, and not before', async (t) => {
  const numbers = [0, 300, 2_000];
  for (const cx of numbers) {
    for (const sy of numbers) {
      const { fixture, client } = connect(`0,${sy}`, `${cx},0`);
      const everyMs = cx === 0 || sy === 0 ? 0 : Math.max(cx, sy);
      if (everyMs === 0) {
        fixture.clock.advance(60_000);
        t.notOk(client.isGone, `${cx} ${sy}`);
        continue;
      }
      fixture.clock.advance(2 * everyMs - 60);
      t.strictSame(client.frames(), [], `${cx} ${sy}: still there just before`);
      fixture.clock.advance(200);
      const [error] = client.frames();
      t.equal(header(error, 'code'), 'heart-beat-timeout');
      t.ok(client.isGone);
      t.equal(fixture.broker.stats().closed['heart-beat-timeout'], 1);
    }
  }
});

t.test("C-25 CONNECTED holds the server's own numbers", async (t) => {
  t.equal(header(connect('700,800', '1,2').client.welcome, 'heart-beat'), '700,800');
});

t.test('C-26 intervals down to 100 ms are kept', async (t) => {
  const { fixture, client } = connect('100,0', '0,100');
  const times = beatTimes(fixture, client, 2_000);
  const gaps = times.map((at, k) => at - (times[k - 1] ?? 0));
  t.ok(Math.max(...gaps) <= 100, `longest gap ${Math.max(...gaps)}`);
});

t.test('C-26 a frame is a sign of life: no beat is due while frames leave', async (t) => {
  const { fixture, client } = connect('1000,0', '0,1000');
  client.subscribe('s', '/topic/a');
  for (let k = 0; k < 50; k++) {
    client.publish('/topic/a', 'x');
    fixture.clock.advance(100);
    client.frames();
  }
  t.equal(client.heartBeats, 0);
});

t.test('C-28 any octet counts, also part of a frame', async (t) => {
  const { fixture, client } = connect('0,500', '500,0');
  client.send('SEND\ndestination:/topic/a\n\n');
  for (let k = 0; k < 40; k++) {
    fixture.clock.advance(400);
    client.send('x');
  }
  t.notOk(client.isGone);
});

t.test('C-30 a timeout gives messages back and aborts transactions', async (t) => {
  const { fixture, client } = connect('0,500', '500,0');
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  client.publish('/queue/q', 'a');
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.publish('/queue/q', 'never', { transaction: 't' });
  fixture.clock.advance(3_000);
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['a']);
});

t.test('C-31 while a handler keeps the session from reading, silence is not counted', async (t) => {
  let release: () => void = () => undefined;
  const waits = new Promise<void>((resolve) => (release = resolve));
  const fixture = new BrokerFixture(
    { heartBeat: { sendMs: 0, receiveMs: 300, tolerance: 2 }, limits: { connectTimeoutMs: 60_000 } },
    { authenticate: () => waits.then(() => ({ name: 'u', roles: [] })) },
  );
  const client = fixture.open();
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', 'heart-beat': '300,0' }));
  t.strictSame(client.connection.calls, ['pause']);
  fixture.clock.advance(30_000);
  release();
  await waits.then(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['CONNECTED'],
  );
  t.strictSame(client.connection.calls, ['pause', 'resume']);
  fixture.clock.advance(500);
  t.notOk(client.isGone, 'and the time before is forgotten');
  fixture.clock.advance(500);
  t.equal(client.error(), 'heart-beat-timeout');
});

t.test('a process that stood still reads what came meanwhile before it judges', async (t) => {
  const { fixture, client } = connect('0,1000', '1000,0');
  fixture.clock.advance(900);
  fixture.clock.stall(60_000);
  t.strictSame(client.frames(), []);
  client.send('\n');
  fixture.clock.advance(500);
  t.notOk(client.isGone);
  fixture.clock.advance(3_000);
  t.equal(client.error(), 'heart-beat-timeout', 'but it is judged');
});

t.test('C-33 a 1.0 session has no heart-beats in either direction', async (t) => {
  const { fixture, client } = connect('300,300', '300,300', '1.0');
  t.equal(header(client.welcome, 'heart-beat'), '0,0');
  fixture.clock.advance(10_000);
  client.frames();
  t.equal(client.heartBeats, 0);
  t.notOk(client.isGone);
});

t.test('C-34 very large values neither fire at once nor overflow', async (t) => {
  for (const value of ['2147483648', '4294967296', '999999999999999']) {
    const { fixture, client } = connect('300,300', `${value},${value}`);
    fixture.clock.advance(100_000);
    client.frames();
    t.equal(client.heartBeats, 0, value);
    t.notOk(client.isGone);
  }
});

t.test('C-35 nothing precedes CONNECTED', async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 100, receiveMs: 100 } });
  const client = fixture.open();
  fixture.clock.advance(5_000);
  t.equal(client.connection.take().length, 0);
});

t.test('a client that does not read gets no pile of heart-beats', async (t) => {
  const { fixture, client } = connect('200,0', '0,200');
  client.connection.freeze();
  fixture.clock.advance(20_000);
  t.equal(client.connection.bufferedBytes, 1, 'one LF waits');
  client.connection.thaw();
  fixture.clock.advance(200);
  client.frames();
  t.ok(client.heartBeats >= 1 && client.heartBeats <= 3, `${client.heartBeats}`);
});

t.test("a message to everybody does not make everybody's next heart-beat the work of one turn", async (t) => {
  const count = 2_400;
  const intervalMs = 2_000;
  const fixture = new BrokerFixture({ heartBeat: { sendMs: intervalMs, receiveMs: 0 } });
  const clients = Array.from({ length: count }, () => {
    const client = fixture.connect({ 'heart-beat': `0,${intervalMs}` });
    client.subscribe('s', '/topic/all');
    return client;
  });
  fixture.connect().publish('/topic/all', 'x');
  fixture.clock.turn();
  const writes = (): number => clients.reduce((sum, { connection }) => sum + connection.writes, 0);
  const first = writes();
  let most = 0;
  for (let at = 0, before = first; at < intervalMs; at += 50) {
    fixture.clock.advance(50);
    fixture.clock.turn();
    const after = writes();
    most = Math.max(most, after - before);
    before = after;
  }
  t.equal(writes() - first, count, 'each has its beat within its interval, and one');
  t.ok(most > 0 && most <= 1_000, `at most ${most} of ${count} in one tick`);
});
