/** `broker.request` through the whole broker, on a clock that stands still. */
import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { settle } from '../../helpers/settle.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import { EVEN } from '../../helpers/even.js';

function setUp(options: ConstructorParameters<typeof BrokerFixture>[0] = {}) {
  const fixture = new BrokerFixture(options);
  const worker = fixture.connect();
  worker.subscribe('w', '/topic/work');
  return { fixture, broker: fixture.broker, worker };
}

function addressOf(request: ServerFrame | undefined): string {
  return header(request, 'reply-to') ?? '';
}

/** Answers every request with what `reply` makes of it. */
function answer(worker: FixtureClient, reply: (body: string) => string): void {
  for (const request of worker.frames()) worker.publish(addressOf(request), reply(request.body.toString()));
}

t.test('a request carries reply-to and correlation-id, and resolves with what comes there', async (t) => {
  const { broker, worker } = setUp();
  const pending = broker.request('/topic/work', { a: 1 }, { headers: { kind: 'sum' } });
  const [request] = worker.frames();
  t.match(header(request, 'reply-to'), /^\/reply-queue\/app~[A-Za-z0-9_-]{22}$/);
  t.match(header(request, 'correlation-id'), /^[A-Za-z0-9_-]{22}$/);
  t.equal(header(request, 'kind'), 'sum');
  t.equal(request?.body.toString(), '{"a":1}');
  worker.publish(addressOf(request), '{"sum":2}', { 'content-type': 'application/json', 'x-worker': '7' });
  const reply = await pending;
  t.strictSame(reply.payload, { sum: 2 });
  t.equal(reply.text, '{"sum":2}');
  t.equal(reply.body.toString(), '{"sum":2}');
  t.equal(reply.headers.get('x-worker'), '7');
});

t.test("the caller's correlation-id is kept, its reply-to is not", async (t) => {
  const { broker, worker } = setUp();
  const headers = { 'correlation-id': 'mine', 'reply-to': '/queue/elsewhere' };
  const pending = broker.request('/topic/work', '', { headers });
  const [request] = worker.frames();
  t.equal(header(request, 'correlation-id'), 'mine');
  t.equal(request?.headers.filter(([name]) => name === 'reply-to').length, 1);
  worker.publish(addressOf(request), 'done');
  t.equal((await pending).payload, 'done', 'text where the reply does not say what it is');
});

t.test('nobody gets a request whose reply nobody waits for any more', async (t) => {
  const { fixture, broker } = setUp({ inbox: { rules: [{ pattern: '/queue/**' }] } });
  for (const destination of ['/queue/jobs', '/user/bob/queue/questions']) {
    const timedOut = t.rejects(broker.request(destination, 'late', { timeoutMs: 999.5 }), { code: 'request-timeout' });
    const waiting = broker.request(destination, 'waits', { timeoutMs: 1e300 });
    const own = broker.request(destination, 'own', { timeoutMs: 1e9, headers: { expiration: 2_000 } });
    fixture.clock.advance(1_500);
    await timedOut;
    const worker = fixture.connect({ login: 'bob' });
    worker.subscribe('s', destination.replace('/bob', ''));
    const requests = worker.frames();
    t.strictSame(
      requests.map(({ body }) => body.toString()),
      ['waits', 'own'],
    );
    t.equal(header(requests[1], 'expiration'), '2000');
    for (const request of requests) worker.publish(addressOf(request), 'done');
    await Promise.all([waiting, own]);
  }
});

t.test('replies find their request in whatever order they come', async (t) => {
  const { broker, worker } = setUp();
  const pending = Array.from({ length: 100 }, (_, k) => broker.request('/topic/work', String(k)));
  const requests = [...worker.frames()].reverse();
  t.equal(new Set(requests.map(addressOf)).size, 100, 'each has an address of its own');
  for (const request of requests) worker.publish(addressOf(request), `re ${request.body.toString()}`);
  const replies = await Promise.all(pending);
  t.strictSame(
    replies.map(({ text }) => text),
    Array.from({ length: 100 }, (_, k) => `re ${k}`),
  );
});

t.test('the body of a reply is its own, not part of what was read', async (t) => {
  const { broker, worker } = setUp();
  const pending = broker.request('/topic/work', '');
  const [request] = worker.frames();
  const octets = Buffer.from(frameText('SEND', { destination: addressOf(request), 'content-length': '4' }, 'kept'));
  worker.send(octets);
  octets.fill('x');
  t.equal((await pending).text, 'kept');
});

t.test('the first reply counts; others are dropped and counted, and refused in no mode', async (t) => {
  for (const compat of ['spring', 'strict'] as const) {
    const { fixture, broker, worker } = setUp({ compat });
    const pending = broker.request('/topic/work', '');
    const address = addressOf(worker.frames()[0]);
    for (const body of ['first', 'second']) worker.publish(address, body);
    t.equal((await pending).text, 'first');
    worker.publish(address, 'third');
    t.equal(worker.error(), undefined, compat);
    t.equal(fixture.broker.stats().messagesDropped, 2);
  }
});

t.test('without a reply a request times out, after 30 seconds or as asked', async (t) => {
  const { fixture, broker, worker } = setUp();
  const outcomes: string[] = [];
  const watch = (name: string, pending: Promise<unknown>): void => {
    void pending.catch((error: unknown) => outcomes.push(`${name} ${(error as { code: string }).code}`));
  };
  watch('default', broker.request('/topic/work', ''));
  watch('short', broker.request('/topic/work', '', { timeoutMs: 100 }));
  fixture.clock.advance(50);
  await settle();
  t.strictSame(outcomes, []);
  fixture.clock.advance(150);
  await settle();
  t.strictSame(outcomes, ['short request-timeout']);
  fixture.clock.advance(29_000);
  await settle();
  t.strictSame(outcomes, ['short request-timeout']);
  fixture.clock.advance(1_000);
  await settle();
  t.strictSame(outcomes, ['short request-timeout', 'default request-timeout']);
  answer(worker, () => 'too late');
  t.equal(broker.stats().messagesDropped, 2);
});

t.test('a timeout says what was asked, and how long', async (t) => {
  const { fixture, broker } = setUp();
  const pending = t.rejects(broker.request('/queue/nobody', '', { timeoutMs: 10 }), {
    code: 'request-timeout',
    message: 'No reply to a request to "/queue/nobody" within 10 ms',
  });
  fixture.clock.advance(100);
  await pending;
});

t.test('a settled request leaves nothing behind', async (t) => {
  const { fixture, broker, worker } = setUp();
  const pending = broker.request('/topic/work', '');
  answer(worker, () => 'done');
  await pending;
  fixture.clock.advance(200);
  // The worker's own deadline has gone with CONNECT, and heart-beats are off.
  t.equal(fixture.clock.intervalCount, 0);
});

t.test('a broker that stops rejects what waits, and what is asked afterwards', async (t) => {
  const { fixture, broker } = setUp();
  const waiting = t.rejects(broker.request('/topic/work', ''), { code: 'server-shutdown' });
  const stopped = broker.stop(0);
  fixture.clock.advance(20);
  await Promise.all([waiting, stopped]);
  await t.rejects(broker.request('/topic/work', ''), { code: 'server-shutdown' });
  await broker.start();
  const again = broker.request('/queue/work', '');
  const worker = fixture.connect();
  worker.subscribe('w', '/queue/work');
  answer(worker, () => 'here again');
  t.equal((await again).text, 'here again');
});

t.test('what cannot be sent rejects at once', async (t) => {
  const { fixture, broker } = setUp({ compat: 'strict', queueDefaults: { maxMessages: 0 } });
  for (const [destination, code] of [
    ['/nowhere', 'destination-unknown'],
    ['/queue/full', 'queue-full'],
    ['/temp-queue/x', 'destination-invalid'],
    ['/app/handler', 'destination-invalid'],
  ] as const) {
    await t.rejects(broker.request(destination, ''), { code }, destination);
  }
  await t.rejects(
    broker.request('/topic/work', () => 1),
    { code: 'payload-invalid' },
  );
  for (const timeoutMs of [0, -1, NaN, Infinity]) {
    await t.rejects(broker.request('/topic/work', '', { timeoutMs }), { code: 'invalid-option' });
  }
  fixture.clock.advance(200);
  t.equal(fixture.clock.intervalCount, 0, 'no deadline is left');
});

t.test('a schema says what the payload is, and refuses what it is not', async (t) => {
  const { broker, worker } = setUp();
  const [good, bad] = [1, 2].map(() => broker.request('/topic/work', '', { schema: EVEN }));
  const [first, second] = worker.frames();
  worker.publish(addressOf(first), '42');
  worker.publish(addressOf(second), '43');
  t.equal((await good)?.payload, 42);
  await t.rejects(bad as Promise<unknown>, { code: 'payload-invalid', message: /not an even number/ });
});

/** A broker that has taken up what the store holds. */
async function storing(store: ScriptedStore): Promise<BrokerFixture> {
  const fixture = new BrokerFixture({}, undefined, 'info', null, { store });
  await fixture.started;
  return fixture;
}

/** Everything asked of the store is stored, and what follows from that. */
async function storeAll(fixture: BrokerFixture, store: ScriptedStore): Promise<void> {
  while (store.commits.length > 0) {
    for (const commit of store.commits.splice(0)) commit.succeed();
    await fixture.settle();
  }
}

t.test('a reply in a transaction is there when everything of it is stored', async (t) => {
  for (const isLate of [false, true]) {
    const store = new ScriptedStore();
    const fixture = await storing(store);
    const { broker } = fixture;
    const worker = fixture.connect();
    worker.subscribe('w', '/topic/work');
    const outcome = broker.request('/topic/work', '', { timeoutMs: 1_000 }).then(
      ({ text }) => text,
      (error: unknown) => (error as { code: string }).code,
    );
    const address = addressOf(worker.frames()[0]);
    worker.send(frameText('BEGIN', { transaction: 't' }));
    worker.publish(address, 'done', { transaction: 't' });
    worker.publish('/queue/log', 'done', { transaction: 't', persistent: 'true' });
    worker.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
    await fixture.settle();
    if (isLate) fixture.clock.advance(1_200);
    await storeAll(fixture, store);
    t.equal(await outcome, isLate ? 'request-timeout' : 'done');
    t.equal(broker.stats().messagesDropped, isLate ? 1 : 0);
    t.equal(worker.frames()[0]?.command, 'RECEIPT');
  }
});

t.test('a request that could not be stored rejects with why', async (t) => {
  const store = new ScriptedStore();
  const fixture = await storing(store);
  const pending = fixture.broker.request('/queue/work', '', { headers: { persistent: true } });
  const rejected = t.rejects(pending, { code: 'store-full' });
  await fixture.settle();
  while (store.commits.length > 0) {
    for (const commit of store.commits.splice(0)) commit.fail(new BrokerError('store-full', 'no room on the disk'));
    await fixture.settle();
  }
  await rejected;
});

t.test('a user is asked like any destination', async (t) => {
  const { fixture, broker } = setUp();
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('q', '/user/queue/questions');
  const pending = broker.request('/user/ann/queue/questions', 'ready?');
  answer(ann, (body) => `${body} yes`);
  t.equal((await pending).text, 'ready? yes');
});
