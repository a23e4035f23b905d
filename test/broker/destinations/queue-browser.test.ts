/** Browsing a queue whose messages are in memory and in the store's pages, while others consume it or the client stops reading. */
import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import { MemoryStore } from '../../../adapters/stores/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

/** More than a queue holds in memory, and more than one page behind it. */
const MANY = 10_500;
/** Of these, the ones of higher priority. */
const HIGH = 11;
const LIMITS = { queueDefaults: { maxMessages: 20_000 } };

class FailingStore extends MemoryStore {
  failures = 0;

  override read(...args: Parameters<MemoryStore['read']>): ReturnType<MemoryStore['read']> {
    if (this.failures-- > 0) return Promise.reject(new BrokerError('store-failed', 'a bad sector'));
    return super.read(...args);
  }
}

/** A queue with `MANY` stored messages and every hundredth beside them in memory alone. */
async function fill(store: MemoryStore): Promise<{ fixture: BrokerFixture; wanted: string[] }> {
  const fixture = await BrokerFixture.storing(store, LIMITS);
  const sender = fixture.connect();
  const wanted: string[] = [];
  const frames: string[] = [];
  for (let k = 0; k < MANY; k++) {
    const isStored = k % 100 !== 0;
    const headers = { priority: k % 1_000 === 1 ? '9' : '4', persistent: String(isStored) };
    frames.push(frameText('SEND', { destination: '/queue/q', ...headers }, String(k)));
    wanted.push(String(k));
  }
  sender.send(frames.join(''));
  await fixture.settle();
  return { fixture, wanted };
}

/** Reads until the end is told, or nothing more comes. */
async function browse(fixture: BrokerFixture, client: FixtureClient): Promise<string[]> {
  const bodies: string[] = [];
  for (let turns = 0; turns < 200; turns++) {
    await fixture.settle();
    for (const frame of client.frames()) {
      if (frame.command !== 'MESSAGE') continue;
      bodies.push(header(frame, 'browser') === 'end' ? 'END' : frame.body.toString());
    }
    if (bodies.at(-1) === 'END') break;
  }
  return bodies;
}

function sorted(bodies: readonly string[]): string[] {
  return [...bodies].sort((a, b) => Number(a) - Number(b));
}

t.test('everything is shown once, from memory and from the pages, higher priority first', async (t) => {
  const { fixture, wanted } = await fill(new MemoryStore());
  const client = fixture.connect();
  client.subscribe('b', '/queue/q', { browser: 'true' });
  const shown = await browse(fixture, client);
  t.equal(shown.pop(), 'END');
  t.strictSame(shown.slice(0, HIGH), sorted(shown.slice(0, HIGH)));
  t.ok(shown.slice(0, HIGH).every((body) => body.endsWith('001') || body === '1'));
  t.equal(sorted(shown).join(' '), wanted.join(' '));
});

t.test(
  'what is published after SUBSCRIBE is not shown, and what is consumed meanwhile is shown once at most',
  async (t) => {
    const { fixture, wanted } = await fill(new MemoryStore());
    const [client, reader, sender] = [fixture.connect(), fixture.connect(), fixture.connect()];
    client.subscribe('b', '/queue/q', { browser: 'true' });
    sender.publish('/queue/q', 'new', { persistent: 'true' });
    reader.subscribe('r', '/queue/q');
    const shown = await browse(fixture, client);
    t.equal(shown.pop(), 'END');
    t.equal(new Set(shown).size, shown.length);
    t.notOk(shown.includes('new'));
    const known = new Set(wanted);
    t.ok(shown.every((body) => known.has(body)));
  },
);

t.test('a client that does not read holds its browser back, and nobody else', async (t) => {
  const fixture = new BrokerFixture({ outbox: { highWaterBytes: 1_000 } });
  const [client, other] = [fixture.connect(), fixture.connect()];
  for (let k = 0; k < 100; k++) other.publish('/queue/q', `${k} ${'x'.repeat(100)}`);
  client.connection.freeze();
  client.subscribe('b', '/queue/q', { browser: 'true' });
  client.frames();
  t.ok(client.connection.bufferedBytes < 3_000);
  other.subscribe('r', '/queue/q', { ack: 'client' });
  t.equal(other.bodies().length > 0, true);
  client.send(frameText('UNSUBSCRIBE', { id: 'b', receipt: 'u' }));
  client.connection.thaw();
  const frames = client.frames();
  t.equal(header(frames.at(-1), 'receipt-id'), 'u', 'nothing comes behind it');
});

t.test('a page that cannot be read is tried again when something else has left for the client', async (t) => {
  const store = new FailingStore();
  const { fixture, wanted } = await fill(store);
  const client = fixture.connect();
  store.failures = 1;
  client.subscribe('b', '/queue/q', { browser: 'true' });
  const shown = await browse(fixture, client);
  t.not(shown.at(-1), 'END', 'nothing pretends to be the end');
  t.match(
    fixture.log.filter(({ level }) => level === 'error'),
    [{ message: 'stored messages cannot be read' }],
  );
  client.publish('/topic/nowhere', '', { receipt: 'r' });
  shown.push(...(await browse(fixture, client)));
  t.equal(shown.pop(), 'END');
  t.equal(sorted(shown).join(' '), wanted.join(' '));
});

t.test('a queue that is being looked at is not forgotten', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxCachedRoutes: 2 } });
  const client = fixture.connect();
  client.subscribe('b', '/queue/q', { browser: 'true' });
  t.strictSame(client.bodies(), ['']);
  for (let k = 0; k < 10; k++) client.publish(`/topic/${k}`, '');
  client.send(frameText('UNSUBSCRIBE', { id: 'b', receipt: 'u' }));
  client.subscribe('b', '/queue/q', { browser: 'true' });
  t.strictSame(client.bodies(), ['']);
});
