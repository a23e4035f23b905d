import t from 'tap';
import { MemoryStore } from '../../../adapters/stores/index.js';
import { BrokerError } from '../../../broker/index.js';
import type { QueueOperations } from '../../../broker/operations/queue-operations.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { header } from '../../helpers/server-frames.js';

const ALL = { target: null, numbers: null, limit: Infinity };

function queueOf(fixture: BrokerFixture, destination = '/queue/q'): QueueOperations {
  const queue = fixture.broker.operations.queue(destination);
  if (queue === null) throw new Error(`no ${destination}`);
  return queue;
}

async function bodiesIn(fixture: BrokerFixture, destination = '/queue/q'): Promise<string[]> {
  const { messages } = await fixture.finish(queueOf(fixture, destination).browse(null, 1_000));
  return messages.map(({ body }) => body.toString());
}

function fill(client: FixtureClient, bodies: readonly string[], headers = {}): void {
  for (const body of bodies) client.publish('/queue/q', body, headers);
  client.frames();
}

t.test('what waits is browsed page by page in the order of delivery', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  fill(client, ['1', '2', '3']);
  fill(client, ['urgent'], { priority: '9', colour: 'red' });
  const queue = queueOf(fixture);
  const first = await queue.browse(null, 2);
  t.match(first.messages, [
    { priority: 9, deliveryCount: 0, isStored: false, messageId: /^n-\d+$/, expiresEpochMs: 0 },
    { priority: 4 },
  ]);
  t.strictSame(
    first.messages.map(({ body }) => body.toString()),
    ['urgent', '1'],
  );
  t.ok(first.messages[0]?.headers.some(([name, value]) => name === 'colour' && value === 'red'));
  const second = await queue.browse(first.next, 5);
  t.strictSame(
    second.messages.map(({ body }) => body.toString()),
    ['2', '3'],
  );
  t.equal(second.next, null);
  t.equal(queue.details.depth, 4, 'nothing was taken');
});

t.test('there is no queue where nothing was ever sent, and none behind a topic', async (t) => {
  const fixture = new BrokerFixture({ queues: [{ pattern: '/queue/all/**', mode: 'broadcast' }] });
  const client = fixture.connect();
  client.subscribe('a', '/topic/t');
  client.subscribe('b', '/queue/all/x');
  client.frames();
  for (const name of ['/queue/q', '/topic/t', '/queue/all/x']) t.equal(fixture.broker.operations.queue(name), null);
});

t.test('stored messages are browsed where they are, without being read into the queue', async (t) => {
  const fixture = await BrokerFixture.storing(new MemoryStore({ clock: new BrokerFixture().clock }));
  const client = fixture.connect();
  fill(client, ['stored', 'too'], { persistent: 'true' });
  fill(client, ['in memory']);
  await fixture.settled();
  t.strictSame(await bodiesIn(fixture), ['stored', 'too', 'in memory']);
  const { messages } = await fixture.finish(queueOf(fixture).browse(null, 1));
  t.match(messages, [{ isStored: true }]);
});

t.test('purge drops what waits and what waits for its time, and leaves what a consumer has', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('c', '/queue/q', { ack: 'client-individual', 'prefetch-count': '1' });
  fill(client, ['held', 'waits', 'waits too']);
  fill(client, ['later'], { AMQ_SCHEDULED_DELAY: '60000' });
  const queue = queueOf(fixture);
  t.match(queue.details, { depth: 3, delayed: 1, unsettled: 1 });
  t.equal(await fixture.finish(queue.purge()), 3);
  t.match(queue.details, { depth: 0, bytes: 0, delayed: 0, unsettled: 1 });
  client.send('DISCONNECT\n\n\0');
  client.frames();
  t.strictSame(await bodiesIn(fixture), ['held'], 'what the consumer had comes back');
});

t.test('purge goes through everything, in more than one step', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  fill(
    client,
    Array.from({ length: 1_234 }, (_, k) => String(k)),
  );
  const queue = queueOf(fixture);
  const purging = queue.purge();
  fill(client, ['published meanwhile']);
  t.equal(await fixture.finish(purging), 1_234);
  t.strictSame(await bodiesIn(fixture), ['published meanwhile']);
});

t.test('purge reaches what is in the store alone', async (t) => {
  const clock = new BrokerFixture().clock;
  const store = new MemoryStore({ clock });
  const fixture = await BrokerFixture.storing(store, { limits: {} });
  const client = fixture.connect();
  // More than a queue holds of stored messages in memory.
  for (let k = 0; k < 9_000; k++) client.publish('/queue/q', `m${String(k)}`, { persistent: 'true' });
  await fixture.settled();
  const queue = queueOf(fixture);
  t.equal(queue.details.depth, 9_000);
  t.equal(await fixture.finish(queue.purge()), 9_000);
  t.match(queue.details, { depth: 0, bytes: 0 });
  fill(client, ['new'], { persistent: 'true' });
  await fixture.settled();
  t.strictSame(await bodiesIn(fixture), ['new']);
});

t.test('a store that fails brings back what was to be dropped', async (t) => {
  const store = new ScriptedStore();
  const fixture = await BrokerFixture.storing(store);
  const commit = async (error?: Error): Promise<void> => {
    await fixture.settled();
    for (const each of store.commits.splice(0)) {
      if (error === undefined) each.succeed();
      else each.fail(error);
    }
    await fixture.settled();
  };
  await commit();
  const client = fixture.connect();
  fill(client, ['a', 'b'], { persistent: 'true' });
  await commit();
  const purging = queueOf(fixture).purge();
  const refused = t.rejects(purging, { code: 'store-failed' });
  await fixture.settled();
  t.match(store.commits.at(-1)?.operations, [{ kind: 'remove' }, { kind: 'remove' }]);
  await commit(new BrokerError('store-failed', 'the disk is gone'));
  await refused;
  t.strictSame(await bodiesIn(fixture), ['a', 'b']);
});

t.test('messages are removed one by one, by their numbers', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  fill(client, ['a', 'b', 'c']);
  const { messages } = await queueOf(fixture).browse(null, 10);
  const number = messages[1]?.number ?? 0;
  t.equal(await queueOf(fixture).remove(new Set([number, 999_999])), 1);
  t.strictSame(await bodiesIn(fixture), ['a', 'c']);
  t.equal(await queueOf(fixture).remove(new Set([number])), 0);
});

t.test('dead letters go back to where they come from, without the words of their death', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('c', '/queue/q', { ack: 'client-individual' });
  client.publish('/queue/q', 'bad', { colour: 'red' });
  const [message] = client.frames();
  client.send(`NACK\nid:${header(message, 'ack') ?? ''}\nrequeue:false\n\n\0`);
  client.publish('/queue/DLQ', 'not a letter');
  client.frames();
  t.strictSame(await bodiesIn(fixture, '/queue/DLQ'), ['bad', 'not a letter']);
  const result = await fixture.finish(queueOf(fixture, '/queue/DLQ').move(ALL));
  t.match(result, { moved: 1, skipped: 1, stoppedBy: null });
  const [again] = client.frames();
  t.equal(again?.body.toString(), 'bad');
  t.equal(header(again, 'colour'), 'red');
  t.equal(header(again, 'destination'), '/queue/q');
  for (const name of ['original-destination', 'dead-letter-reason', 'dead-letter-deliveries', 'delivery-count']) {
    t.equal(header(again, name), undefined, name);
  }
  t.equal(header(again, 'redelivered'), 'false');
  t.strictSame(await bodiesIn(fixture, '/queue/DLQ'), ['not a letter']);
});

t.test('a move to a named destination takes as many as it is told', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  fill(client, ['a', 'b', 'c']);
  const moving = queueOf(fixture).move({ target: '/queue/other', numbers: null, limit: 2 });
  t.match(await fixture.finish(moving), { moved: 2, skipped: 0 });
  t.strictSame(await bodiesIn(fixture, '/queue/other'), ['a', 'b']);
  t.strictSame(await bodiesIn(fixture), ['c']);
  const { messages } = await queueOf(fixture, '/queue/other').browse(null, 5);
  const numbers = new Set([messages[1]?.number ?? 0]);
  await fixture.finish(queueOf(fixture, '/queue/other').move({ target: '/queue/q', numbers, limit: 10 }));
  t.strictSame(await bodiesIn(fixture), ['c', 'b']);
});

t.test('a move ends at a target that refuses, and says why', async (t) => {
  const fixture = new BrokerFixture({ queues: [{ pattern: '/queue/small', maxMessages: 1 }] });
  const client = fixture.connect();
  fill(client, ['a', 'b']);
  const result = await fixture.finish(queueOf(fixture).move({ ...ALL, target: '/queue/small' }));
  t.match(result, { moved: 1, stoppedBy: { code: 'queue-full' } });
  t.strictSame(await bodiesIn(fixture), ['b']);
  await t.rejects(queueOf(fixture).move({ ...ALL, target: '/queue/q' }), { code: 'destination-invalid' });
  const toApp = await fixture.finish(queueOf(fixture).move({ ...ALL, target: '/app/x' }));
  t.match(toApp, { moved: 0, stoppedBy: { code: 'destination-invalid' } });
});

t.test('a stored message that is moved is stored where it goes', async (t) => {
  const fixture = await BrokerFixture.storing(new MemoryStore({ clock: new BrokerFixture().clock }));
  const client = fixture.connect();
  fill(client, ['kept'], { persistent: 'true' });
  await fixture.settled();
  await fixture.finish(queueOf(fixture).move({ ...ALL, target: '/queue/other' }));
  const { messages } = await fixture.finish(queueOf(fixture, '/queue/other').browse(null, 5));
  t.match(messages, [{ isStored: true }]);
});
