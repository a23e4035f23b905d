import t, { type Test } from 'tap';
import type { Authorizer, EntryTerms } from '../../broker/ports.js';
import { BrokerFixture, FixtureClient } from '../helpers/broker-fixture.js';
import { MemoryConnection } from '../helpers/memory-connection.js';
import { frame } from '../helpers/stomp-text.js';

const OBSERVER: EntryTerms = {
  isObserver: true,
  authenticator: { authenticate: () => ({ name: null, roles: [] }) },
};
const NOTHING: Authorizer = { isAllowed: () => false };

function observe(fixture: BrokerFixture, terms: EntryTerms = OBSERVER): FixtureClient {
  const connection = new MemoryConnection((task) => fixture.clock.soon(task));
  connection.listener = fixture.broker.accept(connection, terms);
  const client = new FixtureClient(fixture, connection);
  client.send(frame('CONNECT', { 'accept-version': '1.2', host: 'test' }));
  return client;
}

function refused(t: Test, fixture: BrokerFixture, ...frames: readonly string[]): void {
  const client = observe(fixture);
  client.frames();
  for (const each of frames) client.send(each);
  t.equal(client.error(), 'access-denied', frames.join(' '));
}

const SUBSCRIBE = (destination: string): string => frame('SUBSCRIBE', { id: '0', destination });

t.test('an observer hears what the broker tells, whatever roles and rules say', async (t) => {
  const fixture = new BrokerFixture({ feed: { roles: [] } }, undefined, 'info', NOTHING);
  const client = observe(fixture);
  t.equal(client.frames()[0]?.command, 'CONNECTED');
  client.send(SUBSCRIBE('/topic/$broker/stats'));
  t.match(JSON.parse(client.bodies()[0] ?? ''), { connections: { current: 1 }, node: 'n' });
  client.send(frame('SUBSCRIBE', { id: '1', destination: '/topic/$broker/events' }));
  t.match(JSON.parse(client.bodies()[0] ?? ''), { type: 'health', ok: true });
});

t.test('an observer does nothing else, even where nobody else is refused', async (t) => {
  const fixture = new BrokerFixture({ feed: { roles: ['*'] } });
  const other = fixture.connect({ login: 'ann' });
  other.send(frame('SUBSCRIBE', { id: '0', destination: '/topic/a' }));
  other.send(frame('SUBSCRIBE', { id: '1', destination: '/queue/a' }));
  for (const destination of ['/topic/a', '/topic/**', '/queue/a', '/user/queue/a', '/app/a', '/topic/$presence/a'])
    refused(t, fixture, SUBSCRIBE(destination));
  for (const destination of ['/topic/a', '/queue/a', '/app/a', '/user/ann/queue/a']) {
    refused(t, fixture, frame('SEND', { destination }, 'x'));
    refused(t, fixture, frame('SEND', { destination, receipt: 'r' }, 'x'));
    const transaction = { transaction: 't' };
    refused(
      t,
      fixture,
      frame('BEGIN', transaction),
      frame('SEND', { destination, ...transaction }, 'x'),
      frame('COMMIT', transaction),
    );
  }
  t.strictSame(other.frames(), []);
  t.equal(fixture.broker.operations.queue('/queue/a')?.details.depth ?? 0, 0);
});

t.test('a way in of its own asks its own authenticator, and its sessions are as any other', async (t) => {
  const asked: (string | undefined)[] = [];
  const fixture = new BrokerFixture();
  const client = observe(fixture, {
    isObserver: false,
    authenticator: {
      authenticate: ({ login }) => {
        asked.push(login);
        return { name: 'from the door', roles: [] };
      },
    },
  });
  t.equal(client.frames()[0]?.command, 'CONNECTED');
  t.equal(fixture.broker.users.get('from the door')?.sessions.length, 1);
  client.send(SUBSCRIBE('/topic/a'));
  client.send(frame('SEND', { destination: '/topic/a' }, 'hello'));
  t.strictSame(client.bodies(), ['hello']);
  t.strictSame(asked, [undefined]);
});
