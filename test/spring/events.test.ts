/** S8: what Spring publishes as application events. */
import t from 'tap';
import { Broker, type SessionEvent } from '../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { MemoryConnection } from '../helpers/memory-connection.js';
import { header } from '../helpers/server-frames.js';
import { settle } from '../helpers/settle.js';

/** A fixture and the names of its session events, in order, with what matters of each. */
function start(fixture = new BrokerFixture()): { fixture: BrokerFixture; events: string[] } {
  const events: string[] = [];
  const { events: emitter } = fixture.broker;
  emitter.on('connect', ({ headers }) => events.push(`connect ${headers.get('x') ?? ''}`));
  emitter.on('connected', ({ session }) => events.push(`connected ${session.user?.name ?? 'anonymous'}`));
  emitter.on('subscribe', ({ subscription }) => events.push(`subscribe ${subscription.destination}`));
  emitter.on('unsubscribe', ({ subscription }) => events.push(`unsubscribe ${String(subscription.id)}`));
  emitter.on('disconnect', ({ reason }) => events.push(`disconnect ${reason}`));
  return { fixture, events };
}

t.test('S8.1 connect comes once CONNECT is accepted, with its headers; never for one that is refused', async (t) => {
  const refuses = new BrokerFixture({ virtualHosts: ['good'] });
  const { fixture, events } = start(refuses);
  fixture.open().send(frameText('CONNECT', { 'accept-version': '1.2', host: 'bad' }));
  fixture.clock.turn();
  t.strictSame(events, []);
  fixture.connect({ host: 'good', x: 'from the frame' });
  t.equal(events[0], 'connect from the frame');
});

t.test('S8.2 connected follows connect, when CONNECTED is on its way', async (t) => {
  const { fixture, events } = start();
  fixture.broker.events.on('connected', ({ session }) => {
    void fixture.broker.convertAndSendToUser('alice', '/queue/x', 'm', {}, { session: session.id });
  });
  const alice = fixture.connect({ login: 'alice' });
  t.strictSame(events, ['connect ', 'connected alice']);
  t.equal(alice.welcome?.command, 'CONNECTED');
});

t.test('S8.3 subscribe and unsubscribe come for every destination, also one that nobody claims', async (t) => {
  const { fixture, events } = start();
  const client = fixture.connect();
  for (const [id, destination] of ['/topic/a', '/queue/a', '/user/queue/a', '/app/a', '/nowhere'].entries()) {
    client.subscribe(String(id), destination);
    client.send(frameText('UNSUBSCRIBE', { id: String(id) }));
  }
  t.strictSame(events.slice(2), [
    'subscribe /topic/a',
    'unsubscribe 0',
    'subscribe /queue/a',
    'unsubscribe 1',
    'subscribe /user/queue/a',
    'unsubscribe 2',
    'subscribe /app/a',
    'unsubscribe 3',
    'subscribe /nowhere',
    'unsubscribe 4',
  ]);
});

t.test('S8.3 at the subscribe event the subscription is live: what the listener sends is received', async (t) => {
  const { fixture } = start();
  fixture.broker.events.on('subscribe', ({ subscription }) => {
    void fixture.broker.convertAndSend(subscription.destination, 'welcome');
  });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT', 'MESSAGE'],
  );
});

t.test('S8.4 disconnect comes once, when the connection is gone, with session, user and reason', async (t) => {
  const endings: readonly (readonly [string, (client: FixtureClient, fixture: BrokerFixture) => void])[] = [
    [
      'client-disconnected',
      (client) => {
        client.send('DISCONNECT\nreceipt:r\n\n\0');
      },
    ],
    [
      'client-gone',
      (client) => {
        client.connection.vanish(new Error('ECONNRESET'));
      },
    ],
    [
      'protocol-error',
      (client) => {
        client.send('NONSENSE\n\n\0');
      },
    ],
    [
      'closed-by-server',
      (_client, fixture) => {
        fixture.broker.users.get('alice')?.sessions[0]?.disconnect();
      },
    ],
  ];
  for (const [reason, end] of endings) {
    const { fixture, events } = start();
    const sessions: unknown[] = [];
    fixture.broker.events.on('disconnect', ({ session }) => sessions.push([session.id, session.user?.name]));
    const client = fixture.connect({ login: 'alice' });
    end(client, fixture);
    t.strictSame(events.slice(2), reason === 'client-gone' ? ['disconnect client-gone'] : [], 'not before its end');
    client.frames();
    client.connection.vanish();
    t.strictSame(events.slice(2), [`disconnect ${reason}`]);
    t.strictSame(sessions, [[header(client.welcome, 'session'), 'alice']]);
  }
});

t.test('S8.6 the broker says when it takes messages and when it no longer does', async (t) => {
  const clock = new FakeClock();
  const silent = (): void => undefined;
  const broker = new Broker(
    {},
    {
      clock,
      logger: { level: 'silent', debug: silent, info: silent, warn: silent, error: silent },
      authenticator: { authenticate: () => ({ name: null, roles: [] }) },
    },
  );
  const seen: boolean[] = [];
  broker.events.on('availability', ({ available }) => seen.push(available));
  await broker.convertAndSend('/queue/a', 'before start');
  t.strictSame(seen, []);
  await broker.start();
  t.strictSame(seen, [true]);
  const connection = new MemoryConnection((task) => {
    clock.soon(task);
  });
  connection.listener = broker.accept(connection);
  connection.feed(frameText('CONNECT', { 'accept-version': '1.2', host: 'h' }));
  connection.feed(frameText('SUBSCRIBE', { id: '1', destination: '/queue/a' }));
  clock.turn();
  t.match(connection.take().toString(), /before start/, 'what was sent before start is there');
  const stopped = broker.stop();
  clock.advance(50);
  await stopped;
  t.strictSame(seen, [true, false]);
});

t.test('S8.7 a listener that throws or rejects disturbs nobody', async (t) => {
  const { fixture, events } = start();
  const off = fixture.broker.events.on('subscribe', () => {
    throw new Error('sync');
  });
  fixture.broker.events.on('subscribe', async () => {
    throw new Error('async');
  });
  const client = fixture.connect();
  client.subscribe('a', '/topic/a', { receipt: 'r' });
  await settle();
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
  t.equal(events.at(-1), 'subscribe /topic/a');
  const errors = (): unknown[] =>
    fixture.log.flatMap(({ level, fields }) => (level === 'error' ? [fields['err']] : []));
  t.strictSame(errors().map(String).sort(), ['Error: async', 'Error: sync']);
  off();
  client.subscribe('b', '/topic/b');
  await settle();
  t.equal(errors().length, 3, 'a listener that was taken off is not called');
});

t.test('all events come as one stream, in order, until the loop or the broker ends', async (t) => {
  const fixture = new BrokerFixture();
  const seen: string[] = [];
  const name = (event: SessionEvent): string =>
    event.type === 'subscribe' ? `subscribe ${String(event.subscription.id)}` : event.type;
  const first = (async () => {
    for await (const event of fixture.broker.events.stream()) {
      seen.push(name(event));
      if (seen.length === 3) break;
    }
  })();
  const all: string[] = [];
  const second = (async () => {
    for await (const event of fixture.broker.events.stream()) all.push(name(event));
  })();
  const client = fixture.connect();
  client.subscribe('a', '/topic/a');
  client.subscribe('b', '/topic/b');
  client.connection.vanish();
  await first;
  t.strictSame(seen, ['connect', 'connected', 'subscribe a']);
  const stopped = fixture.broker.stop();
  fixture.clock.advance(20);
  await stopped;
  await second;
  t.strictSame(all, ['connect', 'connected', 'subscribe a', 'subscribe b', 'disconnect', 'availability']);
});

t.test('a reader of the stream that does not read loses the oldest events, and the log says so once', async (t) => {
  const fixture = new BrokerFixture();
  const stream = fixture.broker.events.stream();
  const client = fixture.connect();
  for (let k = 0; k < 10_100; k++) {
    client.subscribe('s', `/topic/${k}`);
    client.send(frameText('UNSUBSCRIBE', { id: 's' }));
  }
  const next = await stream.next();
  t.not((next.value as SessionEvent).type, 'connect');
  t.equal(fixture.log.filter(({ message }) => /too slow/.test(message)).length, 1);
  await stream.return?.();
  t.strictSame(await stream.next(), { done: true, value: undefined });
});
