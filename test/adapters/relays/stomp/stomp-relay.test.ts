/** What a real external broker cannot be made to show: ERRORs at the worst moment, half frames, time. */
import t from 'tap';
import type { Authorizer } from '../../../../broker/ports.js';
import { frameText, type FixtureClient } from '../../../helpers/broker-fixture.js';
import { relayFixture } from '../../../helpers/scripted-broker.js';
import { header } from '../../../helpers/server-frames.js';

/** Messages of ERRORs, ids of RECEIPTs, bodies of MESSAGEs. */
function told(client: FixtureClient): string[] {
  return client
    .frames()
    .map((frame) => header(frame, 'message') ?? header(frame, 'receipt-id') ?? frame.body.toString());
}

t.test('after an ERROR the window is sent again one by one, and the guilty one is told', async (t) => {
  const { fixture, external } = await relayFixture();
  const [ann, bob, eve] = [fixture.connect(), fixture.connect(), fixture.connect()];
  const accept = external.onFrame;
  // As RabbitMQ refuses a channel: nothing behind it is taken, and no frame is named.
  external.onFrame = (connection, frame) => {
    const isBad = frame.body.toString() === 'bad';
    if (isBad) connection.fail('not_found', "no exchange 'nope'");
    if (!isBad && !connection.frames.some(({ body }) => body.toString() === 'bad')) accept(connection, frame);
  };
  for (const connection of external.of('client')) connection.holdsReceipts = true;
  ann.publish('/topic/a', 'from ann', { receipt: 'ann' });
  eve.publish('/topic/a', 'bad');
  bob.publish('/topic/a', 'from bob', { receipt: 'bob' });
  await fixture.settle();
  t.strictSame([told(ann), told(bob), told(eve)], [[], [], []], 'until it is made again');
  fixture.clock.advance(1_000);
  await fixture.settle();
  fixture.clock.advance(1_000);
  await fixture.settle();
  t.strictSame([told(ann), told(bob), told(eve)], [['ann'], ['bob'], ['not_found']]);
  t.ok(fixture.broker.health().isOk, 'the relay was there all the time');
});

t.test('after an ERROR confirmed subscriptions come first, then each suspect alone', async (t) => {
  const { fixture, external } = await relayFixture();
  const [old, ann, eve] = [fixture.connect(), fixture.connect(), fixture.connect()];
  old.subscribe('s', '/topic/old', { receipt: 'old' });
  await fixture.settle();
  const accept = external.onFrame;
  const isBad = (destination: string | undefined): boolean => destination === '/topic/bad';
  external.onFrame = (connection, frame) => {
    if (frame.command === 'SUBSCRIBE' && isBad(frame.headers.get('destination'))) connection.fail('access_refused');
    // RabbitMQ's RECEIPT behind its own ERROR.
    accept(connection, frame);
  };
  const shared = external.with('SUBSCRIBE', { destination: '/topic/old' });
  shared.holdsReceipts = true;
  ann.subscribe('s', '/topic/good', { receipt: 'good' });
  eve.subscribe('s', '/topic/bad', { receipt: 'bad' });
  for (let k = 0; k < 4; k++) {
    fixture.clock.advance(100);
    await fixture.settle();
  }
  t.strictSame([told(old), told(ann), told(eve)], [['old'], ['good'], ['access_refused']]);
  const last = external.with('SUBSCRIBE', { destination: '/topic/good' });
  t.strictSame(
    last.sent('SUBSCRIBE').map(({ destination }) => destination),
    ['/topic/old', '/topic/good'],
  );
  old.publish('/topic/old', 'again');
  await fixture.settle();
  t.strictSame(told(old), ['again']);
});

t.test('many clients have one subscription, which ends with the last of them', async (t) => {
  const { fixture, external } = await relayFixture();
  const clients = [fixture.connect(), fixture.connect(), fixture.connect()];
  for (const client of clients) client.subscribe('s', '/topic/a');
  await fixture.settle();
  const shared = external.with('SUBSCRIBE', { destination: '/topic/a' });
  t.equal(shared.sent('SUBSCRIBE').length, 1);
  clients[0]?.publish('/topic/a', 'one');
  await fixture.settle();
  for (const client of clients) t.strictSame(told(client), ['one']);
  for (const client of clients) {
    t.equal(shared.sent('UNSUBSCRIBE').length, 0);
    client.send(frameText('UNSUBSCRIBE', { id: 's' }));
    await fixture.settle();
  }
  t.strictSame(
    shared.sent('UNSUBSCRIBE').map(({ id }) => id),
    shared.sent('SUBSCRIBE').map(({ id }) => id),
  );
});

t.test('a MESSAGE may come in pieces of any size', async (t) => {
  const { fixture, external } = await relayFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  await fixture.settle();
  const shared = external.with('SUBSCRIBE', { destination: '/topic/a' });
  const id = shared.sent('SUBSCRIBE')[0]?.['id'] ?? '';
  const octets = Buffer.from(
    frameText('MESSAGE', { subscription: id, destination: '/topic/a', 'message-id': '1' }, 'ö'),
  );
  for (let cut = 1; cut < octets.length; cut++) {
    shared.octets(octets.subarray(0, cut));
    shared.octets(octets.subarray(cut));
  }
  await fixture.settle();
  t.strictSame(told(client), Array(octets.length - 1).fill('ö'));
});

t.test('octets that are no STOMP end the connection, and it is made again', async (t) => {
  const { fixture, external } = await relayFixture();
  external.of('system')[0]?.octets(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await fixture.settle();
  t.match(fixture.broker.health().problems[0]?.message, /^Transport failure: /);
  fixture.clock.advance(1_000);
  await fixture.settle();
  t.ok(fixture.broker.health().isOk);
});

t.test('heart-beats go out in time, and silence of three intervals is an end', async (t) => {
  const { fixture, external } = await relayFixture();
  const [system] = external.of('system');
  const live = (): void => system?.octets(Buffer.from('\n'));
  for (let k = 0; k < 12; k++) {
    fixture.clock.advance(5_000);
    live();
    await fixture.settle();
  }
  const beats = system?.heartBeats ?? 0;
  t.ok(beats >= 6 && beats <= 12, `${beats} in a minute`);
  t.ok(fixture.broker.health().isOk);
  const problems: (string | undefined)[] = [];
  fixture.broker.events.on('availability', () => problems.push(fixture.broker.health().problems[0]?.message));
  fixture.clock.advance(36_000);
  await fixture.settle();
  t.strictSame(problems, ['Transport failure: no heart-beat in time', undefined], 'and is made again');
});

t.test('a process that stood still reads before it judges', async (t) => {
  const { fixture, external } = await relayFixture();
  fixture.clock.stall(60_000);
  for (const connection of external.open) connection.octets(Buffer.from('\n'));
  await fixture.settle();
  fixture.clock.advance(5_000);
  await fixture.settle();
  t.ok(fixture.broker.health().isOk);
});

t.test('no CONNECTED in time fails the attempt', async (t) => {
  const { fixture, external } = await relayFixture({ connectTimeoutMs: 3_000 });
  const accept = external.onFrame;
  external.onFrame = () => undefined;
  external.stop();
  external.isDown = false;
  await fixture.settle();
  fixture.clock.advance(1_000);
  await fixture.settle();
  fixture.clock.advance(3_000);
  await fixture.settle();
  t.equal(fixture.broker.health().problems[0]?.message, 'Failed to connect: no CONNECTED within 3000 ms');
  external.onFrame = accept;
  fixture.clock.advance(2_000);
  await fixture.settle();
  t.ok(fixture.broker.health().isOk);
});

t.test('attempts come later each time, up to a limit', async (t) => {
  const { fixture, external } = await relayFixture({
    connections: 'per-client',
    reconnect: { initialDelayMs: 1_000, maxDelayMs: 4_000, jitter: 0.5 },
  });
  external.stop();
  await fixture.settle();
  const before = external.attempts;
  for (const [advanceMs, expected] of [
    [999, 0],
    [1, 1],
    [1_999, 1],
    [1, 2],
    [3_999, 2],
    [1, 3],
    [3_999, 3],
    [1, 4],
  ] as const) {
    fixture.clock.advance(advanceMs);
    await fixture.settle();
    t.equal(external.attempts - before, expected, `after ${advanceMs} more ms`);
  }
});

t.test('a lost connection: who waits for a receipt is told, and others are not', async (t) => {
  const { fixture, external } = await relayFixture();
  const [waits, sent, listens] = [fixture.connect(), fixture.connect(), fixture.connect()];
  listens.subscribe('s', '/topic/a');
  await fixture.settle();
  for (const connection of external.of('client')) connection.holdsReceipts = true;
  waits.publish('/topic/b', 'x', { receipt: 'r' });
  sent.publish('/topic/b', 'y');
  await fixture.settle();
  for (const connection of external.of('client')) connection.drop();
  await fixture.settle();
  t.strictSame([told(waits), told(sent), told(listens)], [['Connection to broker closed.'], [], []]);
  fixture.clock.advance(1_000);
  await fixture.settle();
  sent.publish('/topic/a', 'after');
  await fixture.settle();
  t.strictSame(told(listens), ['after']);
  const bodies = external.connections.flatMap(({ frames }) => frames.map(({ body }) => body.toString()));
  t.equal(bodies.filter((body) => body === 'y').length, 1, 'it is not sent again');
});

t.test("a client's own connection is made again, and an ACK for a message of the old one does nothing", async (t) => {
  const { fixture, external } = await relayFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/work', { ack: 'client-individual' });
  client.publish('/queue/work', 'job');
  await fixture.settle();
  const ack =
    header(
      client.frames().find(({ command }) => command === 'MESSAGE'),
      'ack',
    ) ?? '';
  external.with('SUBSCRIBE', { destination: '/queue/work' }).drop();
  await fixture.settle();
  fixture.clock.advance(1_000);
  await fixture.settle();
  const again = external.with('SUBSCRIBE', { destination: '/queue/work' });
  client.send(frameText('ACK', { id: ack, receipt: 'late' }));
  await fixture.settle();
  t.strictSame(told(client), ['late']);
  t.strictSame(again.sent('ACK'), []);
});

t.test('a transaction that acknowledges what came over a connection that is gone is refused', async (t) => {
  const { fixture, external } = await relayFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/work', { ack: 'client-individual' });
  client.publish('/queue/work', 'job');
  await fixture.settle();
  const ack =
    header(
      client.frames().find(({ command }) => command === 'MESSAGE'),
      'ack',
    ) ?? '';
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.send(frameText('ACK', { id: ack, transaction: 't' }));
  client.publish('/queue/done', 'never', { transaction: 't' });
  await fixture.settle();
  external.with('SUBSCRIBE', { destination: '/queue/work' }).drop();
  await fixture.settle();
  fixture.clock.advance(1_000);
  await fixture.settle();
  client.send(frameText('COMMIT', { transaction: 't' }));
  await fixture.settle();
  t.strictSame(told(client), ['Connection to broker closed.']);
  t.strictSame(
    external.connections.flatMap((connection) => connection.sent('COMMIT')),
    [],
  );
});

t.test('a client that sends more than the external broker takes is not read from', async (t) => {
  const { fixture, external } = await relayFixture({ maxPendingBytes: 1_000 });
  const client = fixture.connect();
  for (const connection of external.of('client')) connection.holdsReceipts = true;
  for (let k = 0; k < 5; k++) client.publish('/topic/a', 'x'.repeat(500));
  await fixture.settle();
  t.ok(client.connection.isPaused);
  const sent = (): number => external.of('client').flatMap((connection) => connection.sent('SEND')).length;
  t.equal(sent(), 2, 'what arrived already waits too');
  for (const connection of external.of('client')) connection.release();
  await fixture.settle();
  t.notOk(client.connection.isPaused);
  t.equal(sent(), 5);
});

t.test('a slow client of a queue stops the reading of its own connection alone', async (t) => {
  const { fixture, external } = await relayFixture();
  const [slow, quick] = [fixture.connect(), fixture.connect()];
  slow.subscribe('s', '/queue/work');
  quick.subscribe('s', '/topic/a');
  await fixture.settle();
  slow.connection.freeze();
  for (let k = 0; k < 5; k++) quick.publish('/queue/work', 'x'.repeat(512 * 1024));
  await fixture.settle();
  t.ok(external.with('SUBSCRIBE', { destination: '/queue/work' }).isPaused);
  t.notOk(external.with('SUBSCRIBE', { destination: '/topic/a' }).isPaused);
  slow.connection.thaw();
  await fixture.settle();
  t.notOk(external.with('SUBSCRIBE', { destination: '/queue/work' }).isPaused);
  t.equal(told(slow).length, 5);
});

t.test("another session's own queue can be neither sent to nor subscribed, nor seen by a pattern", async (t) => {
  const { fixture, external } = await relayFixture();
  const ann = fixture.connect({ login: 'ann' });
  const own = `/queue/x-user${header(ann.welcome, 'session') ?? ''}`;
  for (const frame of ['SEND', 'SUBSCRIBE']) {
    const eve = fixture.connect();
    eve.send(frameText(frame, { id: 's', destination: own }));
    await fixture.settle();
    t.equal(eve.error(), 'access-denied', frame);
  }
  const eve = fixture.connect();
  eve.subscribe('s', '/topic/#');
  await fixture.settle();
  const shared = external.with('SUBSCRIBE', { destination: '/topic/#' });
  const subscription = shared.sent('SUBSCRIBE')[0]?.['id'] ?? '';
  for (const destination of [own.replace('/queue', '/topic'), '/topic/open']) {
    shared.answer('MESSAGE', { subscription, destination, 'message-id': '1' }, destination);
  }
  await fixture.settle();
  t.strictSame(told(eve), ['/topic/open']);
});

t.test('what a refused frame leads to is told past the external broker', async (t) => {
  const { fixture, external } = await relayFixture({}, { refusals: 'soft' });
  const client = fixture.connect();
  client.subscribe('e', '/user/queue/errors');
  await fixture.settle();
  external.stop();
  await fixture.settle();
  client.publish('/topic/a', 'x', { receipt: 'r' });
  await fixture.settle();
  const [notice] = client.frames();
  t.equal(notice?.command, 'MESSAGE');
  t.equal(header(notice, 'code'), 'relay-unavailable');
  t.equal(header(notice, 'receipt-id'), 'r');
  t.notOk(client.isGone);
});

t.test('a client with a connection of its own is not read from either, until what it sent was read', async (t) => {
  const { fixture, external } = await relayFixture({ maxPendingBytes: 1_000 });
  const client = fixture.connect();
  client.subscribe('s', '/queue/work');
  await fixture.settle();
  const own = external.with('SUBSCRIBE', { destination: '/queue/work' });
  own.holdsReceipts = true;
  for (let k = 0; k < 5; k++) client.publish('/topic/a', 'x'.repeat(500));
  await fixture.settle();
  t.ok(client.connection.isPaused);
  t.equal(own.sent('SEND').length, 2);
  own.release();
  await fixture.settle();
  t.notOk(client.connection.isPaused);
  t.equal(own.sent('SEND').length, 5);
});

t.test("the rules are asked about RabbitMQ's x-queue-name, which reads any queue", async (t) => {
  const authorizer: Authorizer = { isAllowed: ({ destination }) => destination !== '/queue/secret' };
  const { fixture, external } = await relayFixture({}, {}, undefined, authorizer);
  const [ann, eve] = [fixture.connect({ login: 'ann' }), fixture.connect()];
  const own = `x-user${header(ann.welcome, 'session') ?? ''}`;
  for (const name of ['secret', own]) {
    const client = fixture.connect();
    client.subscribe('s', '/topic/a', { 'x-queue-name': name });
    await fixture.settle();
    t.equal(client.error(), 'access-denied', name);
  }
  eve.subscribe('s', '/topic/a', { 'x-queue-name': 'open' });
  await fixture.settle();
  t.match(external.with('SUBSCRIBE', { destination: '/topic/a' }).sent('SUBSCRIBE'), [{ 'x-queue-name': 'open' }]);
});

t.test('a session that ends while its connection is being made leaves nothing behind', async (t) => {
  const { fixture, external } = await relayFixture();
  const client = fixture.connect();
  const accept = external.onFrame;
  external.onFrame = () => undefined;
  client.subscribe('s', '/queue/work');
  await fixture.settle();
  const open = external.open.length;
  client.connection.vanish();
  await fixture.settle();
  external.onFrame = accept;
  fixture.clock.advance(60_000);
  await fixture.settle();
  t.ok(external.open.length < open);
  t.equal(fixture.broker.stats().connections.current, 0);
});

t.test('an ERROR for a message of the application is no outage', async (t) => {
  const { fixture, external } = await relayFixture();
  const accept = external.onFrame;
  external.onFrame = (connection, frame) => {
    if (frame.body.toString() === 'bad') connection.fail('not_found');
    else accept(connection, frame);
  };
  const events: boolean[] = [];
  fixture.broker.events.on('availability', ({ available }) => events.push(available));
  const refused = fixture.broker.convertAndSend('/topic/a', 'bad', { persistent: true });
  const rejected = t.rejects(refused, { code: 'relay-refused', message: 'not_found' });
  await fixture.settle();
  await rejected;
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  await fixture.settle();
  t.strictSame(told(client), ['r'], 'nobody else notices');
  fixture.clock.advance(1_000);
  await fixture.settle();
  await fixture.broker.convertAndSend('/topic/a', 'good');
  await fixture.settle();
  t.strictSame(told(client), ['good']);
  t.strictSame(events, []);
});
