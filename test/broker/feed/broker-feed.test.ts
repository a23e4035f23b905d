import t from 'tap';
import type { Authenticator } from '../../../broker/ports.js';
import { BrokerFixture, type FixtureClient, frameText } from '../../helpers/broker-fixture.js';
import { MemoryNetwork } from '../../helpers/memory-node-relay.js';

const EVENTS = '/topic/$broker/events';
const STATS = '/topic/$broker/stats';
/** `root` is an admin; others have no role. */
const ROOT: Authenticator = {
  authenticate: ({ login }) => ({ name: login ?? null, roles: login === 'root' ? ['admin'] : [] }),
};

function told(client: FixtureClient): Record<string, unknown>[] {
  return client.bodies().map((body) => JSON.parse(body) as Record<string, unknown>);
}

t.test('admins alone may know, unless other roles are named', async (t) => {
  const asks = (login: string | null, roles?: string[]): string | undefined => {
    const options = roles === undefined ? {} : { feed: { roles } };
    const client = new BrokerFixture(options, ROOT).connect(login === null ? {} : { login });
    client.subscribe('1', EVENTS);
    client.subscribe('2', STATS);
    return client.error();
  };
  t.equal(asks('root'), undefined);
  t.equal(asks('ann'), 'access-denied');
  t.equal(asks(null), 'access-denied');
  t.equal(asks('root', ['operator']), 'access-denied');
  t.equal(asks('root', []), 'access-denied');
  t.equal(asks(null, ['*']), undefined);
});

t.test('stats come at once and every few seconds, while somebody is subscribed', async (t) => {
  const fixture = new BrokerFixture({ feed: { roles: ['*'], statsIntervalMs: 2_000 } });
  const [client, late] = [fixture.connect(), fixture.connect()];
  client.subscribe('1', STATS);
  t.match(told(client), [{ node: 'n', time: Number, connections: { current: 2 }, subscriptions: 0 }]);
  fixture.clock.advance(1_900);
  t.strictSame(told(client), []);
  late.subscribe('1', STATS);
  fixture.clock.advance(200);
  t.match(told(client), [{ subscriptions: 2 }]);
  t.equal(told(late).length, 2, 'the first is its own');
  client.connection.vanish();
  late.send(frameText('UNSUBSCRIBE', { id: '1' }));
  fixture.clock.advance(10_000);
  t.strictSame(told(late), []);
  late.subscribe('2', STATS);
  fixture.clock.advance(2_100);
  t.equal(told(late).length, 2);
});

t.test('events tell of counts that have grown, once a second, and of health', async (t) => {
  const relay = new MemoryNetwork().createRelay();
  const options = { feed: { roles: ['*'] }, limits: { maxConnections: 2 } };
  const fixture = new BrokerFixture(options, undefined, 'info', null, { nodeRelay: relay });
  await fixture.started;
  const [client, other] = [fixture.connect(), fixture.connect()];
  other.publish('/nowhere', 'x');
  other.frames();
  client.subscribe('1', EVENTS);
  t.strictSame(
    told(client).map(({ type, ok, node }) => [type, ok, node]),
    [['health', true, 'n']],
    'what was before is not told',
  );
  t.equal(fixture.open().connection.listener, null);
  fixture.open();
  other.publish('/nowhere', 'x');
  other.frames();
  fixture.clock.advance(1_100);
  t.match(told(client), [
    { type: 'connections-refused', count: 2 },
    { type: 'messages-dropped', count: 1 },
  ]);
  relay.setReachable(false);
  t.match(told(client), [{ type: 'nodes-unreachable', gaps: 0, dropped: 0 }], 'at once');
  fixture.clock.advance(1_100);
  t.match(told(client), [{ type: 'health', ok: false, problems: [{ part: 'relay', message: 'unplugged' }] }]);
  relay.setReachable(true);
  fixture.clock.advance(1_100);
  t.match(told(client), [{ type: 'nodes-reachable' }, { type: 'health', ok: true, problems: [] }]);
  fixture.clock.advance(5_000);
  t.strictSame(told(client), []);
});
