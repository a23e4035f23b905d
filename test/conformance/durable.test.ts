/** Conformance: subscriptions to topics that live on while their client is away. */
import t from 'tap';
import { openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { nextBodies, sendAll } from '../helpers/settling.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

let last = 0;
function newTopic(): string {
  return `/topic/durable-${++last}`;
}

/** A client with a client-id of its own; to be ended by the test. */
async function openAs(clientId: string, version: Version): Promise<RawClient> {
  const client = await RawClient.open(port);
  await client.connect(version, { 'client-id': clientId });
  return client;
}

async function leave(client: RawClient): Promise<void> {
  client.sendFrame('DISCONNECT', { receipt: 'bye' });
  await client.frame('RECEIPT');
  client.destroy();
}

const NAMES = ['activemq.subscriptionName', 'durable-subscription-name', 'durable-subscriber-name'];

t.test('X-18 a durable subscription by client-id and name keeps messages while its client is away', async (t) => {
  for (const version of VERSIONS) {
    for (const header of NAMES) {
      const topic = newTopic();
      const sender = await openConnected(t, port, version);
      const first = await openAs(`c-${topic}`, version);
      await first.subscribe(topic, 's', { [header]: 'news' });
      sendAll(sender, topic, ['live']);
      t.strictSame(await nextBodies(first, 1), ['live'], version);
      await leave(first);
      sendAll(sender, topic, ['missed 1', 'missed 2']);
      await sender.fence();
      const again = await openAs(`c-${topic}`, version);
      await again.subscribe(topic, 'other', { [header]: 'news' });
      t.strictSame(await nextBodies(again, 2), ['missed 1', 'missed 2'], `${version} ${header}`);
      sendAll(sender, topic, ['live again']);
      t.strictSame(await nextBodies(again, 1), ['live again']);
      again.destroy();
    }
  }
});

t.test('X-18 a name needs a client-id, and a topic', async (t) => {
  for (const version of VERSIONS) {
    const anonymous = await openConnected(t, port, version);
    anonymous.sendFrame('SUBSCRIBE', { id: 's', destination: newTopic(), 'activemq.subscriptionName': 'n' });
    const missing = await anonymous.frame('ERROR');
    t.match(missing.get('message'), /"client-id" at CONNECT/, version);
    const named = await openAs(`queue-${version}`, version);
    named.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/x18', 'activemq.subscriptionName': 'n' });
    t.match((await named.frame('ERROR')).get('message'), /is to a topic, got "\/queue\/x18"/, version);
    named.destroy();
  }
});

t.test('X-18 what a selector leaves out is not kept; another selector begins anew', async (t) => {
  const topic = newTopic();
  const sender = await openConnected(t, port, '1.2');
  const subscribe = async (selector: string): Promise<RawClient> => {
    const client = await openAs('selective', '1.2');
    await client.subscribe(topic, 's', { 'activemq.subscriptionName': 'n', selector });
    return client;
  };
  await leave(await subscribe("kind = 'a'"));
  for (const kind of ['a', 'b', 'a']) sendAll(sender, topic, [kind], { kind });
  await sender.fence();
  const same = await subscribe("kind = 'a'");
  t.strictSame(await nextBodies(same, 2), ['a', 'a']);
  await leave(same);
  sendAll(sender, topic, ['a'], { kind: 'a' });
  await sender.fence();
  const other = await subscribe("kind = 'b'");
  t.strictSame(await nextBodies(other, 0), []);
  other.destroy();
});

t.test('X-18 one by pattern keeps what matches; nobody else takes its messages', async (t) => {
  const sender = await openConnected(t, port, '1.2');
  const first = await openAs('patterned', '1.2');
  await first.subscribe('/topic/orders/**', 's', { 'activemq.subscriptionName': 'n' });
  await leave(first);
  sendAll(sender, '/topic/orders/eu/1', ['eu']);
  sendAll(sender, '/topic/other', ['other']);
  sendAll(sender, '/topic/orders', ['orders']);
  await sender.fence();
  const stranger = await openAs('stranger', '1.2');
  await stranger.subscribe('/topic/orders/**', 's', { 'activemq.subscriptionName': 'n' });
  t.strictSame(await nextBodies(stranger, 0), [], 'a client-id of its own is a subscription of its own');
  stranger.destroy();
  const again = await openAs('patterned', '1.2');
  await again.subscribe('/topic/orders/**', 's', { 'activemq.subscriptionName': 'n' });
  t.strictSame(await nextBodies(again, 2), ['eu', 'orders']);
  again.destroy();
});

t.test('X-19 a durable subscription by id is shared by all with the same id and destination', async (t) => {
  for (const version of VERSIONS) {
    for (const headers of [
      { durable: 'true' },
      { persistent: 'true', 'auto-delete': 'false' },
      { durable: 'True', 'auto-delete': 'False' },
    ]) {
      const topic = newTopic();
      const sender = await openConnected(t, port, version);
      const [a, b] = [await openConnected(t, port, version), await openConnected(t, port, version)];
      for (const client of [a, b]) await client.subscribe(topic, 'shared', headers);
      sendAll(sender, topic, ['1', '2']);
      t.strictSame([await nextBodies(a, 1), await nextBodies(b, 1)], [['1'], ['2']], version);
      for (const client of [a, b]) await leave(client);
      sendAll(sender, topic, ['3']);
      await sender.fence();
      const elsewhere = await openConnected(t, port, version);
      await elsewhere.subscribe(newTopic(), 'shared', headers);
      t.strictSame(await nextBodies(elsewhere, 0), [], 'another destination is another subscription');
      const back = await openConnected(t, port, version);
      await back.subscribe(topic, 'shared', headers);
      t.strictSame(await nextBodies(back, 1), ['3'], version);
    }
  }
});

t.test('X-19 without an id there is nothing to come back to; auto-delete:true is not durable', async (t) => {
  const nameless = await openConnected(t, port, '1.0');
  nameless.sendFrame('SUBSCRIBE', { destination: newTopic(), durable: 'true' });
  t.match((await nameless.frame('ERROR')).get('message'), /needs a header "id"/);
  const topic = newTopic();
  const headers = { durable: 'true', 'auto-delete': 'true' };
  const client = await openConnected(t, port, '1.2');
  await client.subscribe(topic, 's', headers);
  await leave(client);
  const sender = await openConnected(t, port, '1.2');
  sendAll(sender, topic, ['gone']);
  await sender.fence();
  const again = await openConnected(t, port, '1.2');
  await again.subscribe(topic, 's', headers);
  t.strictSame(await nextBodies(again, 0), []);
});

t.test(
  'X-20 UNSUBSCRIBE with the name deletes a durable subscription, without it only this client leaves',
  async (t) => {
    const cases = [
      { clientId: 'x20', how: { 'activemq.subscriptionName': 'n' }, end: { 'activemq.subscriptionName': 'n' } },
      { clientId: undefined, how: { durable: 'true' }, end: { durable: 'true' } },
      // RabbitMQ's older word, which its own tests still use.
      { clientId: undefined, how: { durable: 'true' }, end: { persistent: 'true' } },
    ];
    for (const version of VERSIONS) {
      for (const { clientId, how, end } of cases) {
        const topic = newTopic();
        const open = () => (clientId === undefined ? openConnected(t, port, version) : openAs(clientId, version));
        const sender = await openConnected(t, port, version);
        const client = await open();
        await client.subscribe(topic, 's', how);
        client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'away' });
        await client.frame('RECEIPT');
        sendAll(sender, topic, ['kept']);
        await sender.fence();
        await client.subscribe(topic, 's', how);
        t.strictSame(await nextBodies(client, 1), ['kept'], version);
        client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'gone', ...end });
        await client.frame('RECEIPT');
        sendAll(sender, topic, ['lost']);
        await sender.fence();
        await client.subscribe(topic, 's', how);
        t.strictSame(await nextBodies(client, 0), [], version);
        await leave(client);
      }
    }
  },
);

t.test('X-20 a durable subscription can be deleted from a session that has not subscribed', async (t) => {
  const topic = newTopic();
  const first = await openAs('absent', '1.2');
  await first.subscribe(topic, 's', { 'activemq.subscriptionName': 'n' });
  await leave(first);
  const second = await openAs('absent', '1.2');
  second.sendFrame('UNSUBSCRIBE', { id: 'any', 'activemq.subscriptionName': 'n', receipt: 'gone' });
  await second.frame('RECEIPT');
  second.sendFrame('UNSUBSCRIBE', { id: 'any', 'activemq.subscriptionName': 'n', receipt: 'again' });
  t.equal((await second.frame('ERROR')).get('code'), 'subscription-unknown');
  second.destroy();
});
