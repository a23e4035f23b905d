import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

const INDIVIDUAL = { ack: 'client-individual' };

function messages(client: FixtureClient) {
  return client
    .frames()
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) => ({
      body: frame.body.toString(),
      ack: header(frame, 'ack') ?? '',
      redelivered: header(frame, 'redelivered'),
    }));
}

function settle(client: FixtureClient, verb: 'ACK' | 'NACK', id: string | undefined): void {
  client.send(frameText(verb, { id: id ?? '' }));
}

function publish(client: FixtureClient, count: number, from = 0): void {
  for (let k = from; k < from + count; k++) client.publish('/queue/q', String(k));
}

t.test('each message goes to one subscription, in turn', async (t) => {
  const fixture = new BrokerFixture();
  const clients = [fixture.connect(), fixture.connect(), fixture.connect()];
  for (const client of clients) client.subscribe('s', '/queue/q');
  publish(fixture.connect(), 9);
  t.strictSame(
    clients.map((client) => client.bodies()),
    [
      ['0', '3', '6'],
      ['1', '4', '7'],
      ['2', '5', '8'],
    ],
  );
});

t.test('the turn stays fair when subscriptions come and go', async (t) => {
  const fixture = new BrokerFixture();
  const sender = fixture.connect();
  const [a, b, c] = [fixture.connect(), fixture.connect(), fixture.connect()];
  for (const client of [a, b, c]) client.subscribe('s', '/queue/q');
  publish(sender, 2);
  fixture.clock.turn();
  a.send(frameText('UNSUBSCRIBE', { id: 's' }));
  publish(sender, 1, 2);
  t.strictSame([a.bodies(), b.bodies(), c.bodies()], [['0'], ['1'], ['2']]);
});

t.test('messages are kept while nobody listens, in order', async (t) => {
  const fixture = new BrokerFixture();
  publish(fixture.connect(), 3_000);
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { receipt: 'r' });
  const frames = client.frames();
  t.equal(frames[0]?.command, 'RECEIPT', 'S-15');
  t.strictSame(
    frames.slice(1).map(({ body }) => body.toString()),
    Array.from({ length: 3_000 }, (_, k) => String(k)),
  );
});

t.test('A-23 A-24 a window limits what is pending; the other consumer gets the rest', async (t) => {
  const fixture = new BrokerFixture();
  const stuck = fixture.connect();
  stuck.subscribe('s', '/queue/q', { ...INDIVIDUAL, 'prefetch-count': '2' });
  publish(fixture.connect(), 6);
  const first = messages(stuck);
  t.strictSame(
    first.map(({ body }) => body),
    ['0', '1'],
  );
  settle(stuck, 'ACK', first[1]?.ack);
  t.strictSame(
    messages(stuck).map(({ body }) => body),
    ['2'],
  );
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['3', '4', '5']);
  t.strictSame(messages(stuck), []);
});

t.test('A-16 A-17 A-19 what a lost client left unsettled comes back in order, marked redelivered', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ...INDIVIDUAL, 'prefetch-count': '3' });
  publish(fixture.connect(), 5);
  const first = messages(client);
  t.strictSame(
    first.map(({ redelivered }) => redelivered),
    ['false', 'false', 'false'],
  );
  settle(client, 'ACK', first[1]?.ack);
  client.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  other.send(frameText('UNSUBSCRIBE', { id: 's' }));
  const third = fixture.connect();
  third.subscribe('s', '/queue/q', INDIVIDUAL);
  t.strictSame(messages(other), [], 'taken back before they were written');
  t.strictSame(
    messages(third).map(({ body, redelivered }) => `${body} ${redelivered ?? ''}`),
    ['0 true', '2 true', '3 false', '4 false'],
    'what was not written does not count as delivered; an auto subscription that ends gives back what was not written, with its deliveries so far',
  );
});

t.test('A-16 redelivered:true after a loss and after NACK', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  publish(fixture.connect(), 2);
  const [first] = messages(client);
  settle(client, 'NACK', first?.ack);
  const [again] = messages(client);
  t.match(again, { body: '0', redelivered: 'true' });
  t.not(again?.ack, first?.ack, 'A-25');
  settle(client, 'ACK', first?.ack);
  t.equal(client.error(), 'ack-unknown', 'A-25');
  const other = fixture.connect();
  other.subscribe('s', '/queue/q', INDIVIDUAL);
  t.strictSame(
    messages(other).map(({ body, redelivered }) => `${body} ${redelivered ?? ''}`),
    ['0 true', '1 true'],
  );
});

t.test(
  'A-16 redelivered:true reaches a subscription in auto mode, and only with what was delivered before',
  async (t) => {
    const fixture = new BrokerFixture();
    const client = fixture.connect();
    client.subscribe('s', '/queue/q', { ...INDIVIDUAL, 'prefetch-count': '1' });
    publish(fixture.connect(), 2);
    t.equal(messages(client).length, 1);
    client.connection.vanish();
    const other = fixture.connect();
    other.subscribe('s', '/queue/q');
    t.strictSame(
      messages(other).map(({ body, redelivered }) => `${body} ${redelivered ?? ''}`),
      ['0 true', '1 '],
    );
  },
);

t.test('A-10 A-12 A-13 cumulative and single settlement', async (t) => {
  for (const [ack, left] of [
    ['client', ['3']],
    ['client-individual', ['0', '1', '3']],
  ] as const) {
    for (const verb of ['ACK', 'NACK'] as const) {
      const fixture = new BrokerFixture();
      const client = fixture.connect();
      client.subscribe('s', '/queue/q', { ack, 'prefetch-count': '4' });
      client.subscribe('o', '/queue/o', { ack });
      client.publish('/queue/o', 'untouched');
      publish(client, 4);
      const got = messages(client);
      settle(client, verb, got.find(({ body }) => body === '2')?.ack);
      const again = messages(client).map(({ body }) => body);
      const returned = ack === 'client' ? ['0', '1', '2'] : ['2'];
      t.strictSame(again, verb === 'NACK' ? returned : [], `${ack} ${verb}`);
      client.connection.vanish();
      const other = fixture.connect();
      other.subscribe('o', '/queue/o');
      other.subscribe('s', '/queue/q');
      const wanted = verb === 'ACK' ? left : ['0', '1', '2', '3'];
      t.strictSame(other.bodies(), ['untouched', ...wanted], 'A-11');
    }
  }
});

t.test('A-22 messages for an auto subscription that were not written go to others', async (t) => {
  for (const end of ['vanish', 'error', 'hard limit'] as const) {
    const fixture = new BrokerFixture({
      outbox: { highWaterBytes: 200_000, softLimitBytes: 400_000, hardLimitBytes: 500_000 },
    });
    const client = fixture.connect();
    client.subscribe('s', '/queue/q');
    client.subscribe('t', '/topic/t');
    client.connection.freeze();
    const sender = fixture.connect();
    sender.publish('/topic/t', 'x'.repeat(210_000));
    fixture.clock.turn();
    publish(sender, 5);
    fixture.clock.turn();
    t.ok(client.connection.bufferedBytes < 220_000, 'they wait in the outbox');
    if (end === 'vanish') client.connection.vanish();
    else if (end === 'error') client.send('X\n');
    else for (let k = 0; k < 6; k++) sender.publish('/topic/t', 'x'.repeat(100_000));
    fixture.clock.turn();
    const other = fixture.connect();
    other.subscribe('s', '/queue/q');
    t.strictSame(other.bodies(), ['0', '1', '2', '3', '4'], end);
  }
});

t.test('messages of a session that ends do not go to another subscription of the same session', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('a', '/queue/q', { ...INDIVIDUAL });
  const sender = fixture.connect();
  for (let k = 0; k < 10; k++) sender.publish('/queue/q', `${k}${'x'.repeat(20_000)}`);
  messages(client);
  client.subscribe('b', '/queue/q');
  client.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q', INDIVIDUAL);
  t.strictSame(
    messages(other).map(({ body }) => body[0]),
    Array.from('0123456789'),
  );
});

t.test('S-11 UNSUBSCRIBE gives back what was not settled', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  publish(client, 2);
  messages(client);
  client.send(frameText('UNSUBSCRIBE', { id: 's', receipt: 'r' }));
  publish(client, 1, 2);
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
    'S-10',
  );
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['0', '1', '2']);
});

t.test('a queue is bounded in messages and octets', async (t) => {
  const byCount = new BrokerFixture({ queueDefaults: { maxMessages: 3 } }).connect();
  publish(byCount, 4);
  t.equal(byCount.error(), 'queue-full');
  const byBytes = new BrokerFixture({ queueDefaults: { maxBytes: 1_000 } }).connect();
  for (let k = 0; k < 3; k++) byBytes.publish('/queue/q', 'x'.repeat(400));
  t.equal(byBytes.error(), 'queue-full');
});

t.test('room comes back as messages are taken', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 3, maxBytes: 1_000 } });
  const sender = fixture.connect();
  for (let round = 0; round < 5; round++) {
    for (let k = 0; k < 2; k++) sender.publish('/queue/q', 'x'.repeat(300));
    const client = fixture.connect();
    client.subscribe('s', '/queue/q');
    t.equal(client.bodies().length, 2);
    client.connection.vanish();
  }
  t.equal(sender.error(), undefined);
});

t.test('a queue waits for a consumer that does not read instead of ending it', async (t) => {
  const fixture = new BrokerFixture({
    outbox: { highWaterBytes: 100_000, softLimitBytes: 150_000, hardLimitBytes: 300_000 },
  });
  const client = fixture.connect();
  client.subscribe('s', '/queue/q');
  client.connection.freeze();
  const sender = fixture.connect();
  for (let k = 0; k < 200; k++) {
    sender.publish('/queue/q', `${k} ${'x'.repeat(10_000)}`);
    fixture.clock.turn();
  }
  t.notOk(client.isGone);
  client.connection.thaw();
  const bodies = client.bodies().map((body) => Number.parseInt(body, 10));
  t.strictSame(
    bodies,
    Array.from({ length: 200 }, (_, k) => k),
  );
});

t.test('a frozen consumer does not keep messages from another', async (t) => {
  const fixture = new BrokerFixture({ outbox: { highWaterBytes: 50_000 } });
  const [frozen, other] = [fixture.connect(), fixture.connect()];
  for (const client of [frozen, other]) client.subscribe('s', '/queue/q');
  frozen.connection.freeze();
  const sender = fixture.connect();
  for (let k = 0; k < 100; k++) {
    sender.publish('/queue/q', `${k} ${'x'.repeat(10_000)}`);
    fixture.clock.turn();
  }
  const got = other.bodies().length;
  t.ok(got > 80, `${got} of 100 went to the one that reads`);
  frozen.connection.thaw();
  t.equal(got + frozen.bodies().length, 100);
});

t.test('messages that an outbound interceptor has not seen yet go back to their queue', async (t) => {
  const fixture = new BrokerFixture();
  const seen: string[] = [];
  fixture.broker.interceptOutbound((frame) => {
    if (frame.command === 'MESSAGE') seen.push(frame.body.toString());
    return frame;
  });
  const [stuck, sender] = [fixture.connect(), fixture.connect()];
  stuck.subscribe('s', '/queue/q');
  stuck.connection.freeze();
  // Fills the transport, so that what follows waits in the outbox.
  sender.publish('/queue/q', 'x'.repeat(2 * 1024 * 1024));
  for (const body of ['1', '2', '3']) sender.publish('/queue/q', body);
  stuck.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies().slice(-3), ['1', '2', '3']);
  t.strictSame(seen.slice(-3), ['1', '2', '3']);
});
