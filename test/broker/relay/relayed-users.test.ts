/** Users on several nodes behind one external broker. */
import t from 'tap';
import type { FixtureClient } from '../../helpers/broker-fixture.js';
import { relayFixture, type RelayFixture } from '../../helpers/scripted-broker.js';
import { header } from '../../helpers/server-frames.js';

async function twoNodes(options: Parameters<typeof relayFixture>[0]): Promise<readonly [RelayFixture, RelayFixture]> {
  const here = await relayFixture(options);
  return [here, await relayFixture(options, {}, here.external)];
}

/** Ann, who listens to her orders. */
async function ann({ fixture }: RelayFixture): Promise<FixtureClient> {
  const client = fixture.connect({ login: 'ann' });
  client.subscribe('s', '/user/queue/orders');
  await fixture.settle();
  return client;
}

t.test('a message for a user whom nobody here knows is passed on once, and shown as the user knows it', async (t) => {
  const [here, there] = await twoNodes({ userDestinationBroadcast: '/topic/unresolved' });
  const client = await ann(there);
  await here.fixture.broker.convertAndSendToUser('ann', '/queue/orders', 'yours', { kind: 'order' });
  await here.fixture.broker.convertAndSendToUser('nobody', '/queue/orders', 'lost');
  await here.fixture.settle();
  const frames = client.frames();
  t.strictSame(
    frames.map(({ body }) => body.toString()),
    ['yours'],
  );
  t.equal(header(frames[0], 'destination'), '/user/queue/orders');
  t.equal(header(frames[0], 'kind'), 'order');
  const sent = here.external.of('system').flatMap((connection) => connection.sent('SEND'));
  t.strictSame(
    sent.map(({ destination }) => destination?.replace(/-user.*/, '-user')).sort(),
    ['/queue/orders-user', '/topic/unresolved', '/topic/unresolved'],
    'nobody passes on what was passed on',
  );
});

t.test('nodes tell each other who is connected, so that a user with sessions on both gets it on both', async (t) => {
  const [here, there] = await twoNodes({ userRegistryBroadcast: '/topic/registry' });
  const clients = [await ann(here), await ann(there)];
  here.fixture.clock.advance(10_000);
  await here.fixture.settle();
  await here.fixture.broker.convertAndSendToUser('ann', '/queue/orders', 'both');
  await here.fixture.settle();
  for (const client of clients) t.strictSame(client.bodies(), ['both']);
  // Its connections go, and what it said is forgotten after two intervals.
  const stopped = there.fixture.broker.stop(0);
  for (let k = 0; k < 3; k++) {
    here.fixture.clock.advance(10_000);
    await here.fixture.settle();
  }
  await stopped;
  const count = (): number => here.external.of('system').flatMap((connection) => connection.sent('SEND')).length;
  const before = count();
  await here.fixture.broker.convertAndSendToUser('ann', '/queue/orders', 'one');
  await here.fixture.settle();
  t.equal(count() - before, 1);
});

t.test('a node that says nonsense is not heard', async (t) => {
  const { fixture, external } = await relayFixture({ userRegistryBroadcast: '/topic/registry' });
  const [system] = external.of('system');
  for (const body of ['{', '{}', '{"id":"x","users":[7]}', '{"id":"x","users":[["ann",7]]}']) {
    system?.answer('MESSAGE', { subscription: '0', destination: '/topic/registry', 'message-id': '1' }, body);
  }
  await fixture.settle();
  await fixture.broker.convertAndSendToUser('ann', '/queue/orders', 'x');
  await fixture.settle();
  t.strictSame(system?.sent('SEND'), []);
  t.equal(fixture.broker.stats().messagesDropped, 1);
});
