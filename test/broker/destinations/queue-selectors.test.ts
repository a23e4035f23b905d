import t from 'tap';
import { Message } from '../../../broker/message.js';
import { BacklogCursor } from '../../../broker/destinations/backlog-cursor.js';
import { QueueBacklog, QueuedMessage } from '../../../broker/destinations/queue-backlog.js';
import type { Subscription } from '../../../broker/subscription.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

const EVEN = { selector: `kind = 'even'` };
const ODD = { selector: `kind = 'odd'` };
const INDIVIDUAL = { ack: 'client-individual' };

function publish(
  client: FixtureClient,
  from: number,
  to: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  for (let k = from; k < to; k++) {
    client.publish('/queue/q', String(k), { kind: k % 2 === 0 ? 'even' : 'odd', ...headers });
  }
}

/** Bodies and ack ids of what arrived. */
function messages(client: FixtureClient) {
  return client
    .frames()
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) => ({ body: frame.body.toString(), ack: header(frame, 'ack') ?? '' }));
}

t.test('consumers with the same selector take turns, and one without takes part', async (t) => {
  const fixture = new BrokerFixture();
  const [a, b, any] = [fixture.connect(), fixture.connect(), fixture.connect()];
  a.subscribe('s', '/queue/q', EVEN);
  b.subscribe('s', '/queue/q', EVEN);
  publish(fixture.connect(), 0, 6);
  t.strictSame([a.bodies(), b.bodies()], [['0', '4'], ['2']]);
  any.subscribe('s', '/queue/q');
  t.strictSame(any.bodies(), ['1', '3', '5']);
  publish(fixture.connect(), 6, 12);
  t.strictSame(
    [...a.bodies(), ...b.bodies(), ...any.bodies()].map(Number).sort((x, y) => x - y),
    [6, 7, 8, 9, 10, 11],
  );
});

t.test('behind a full window a selective consumer goes on with its oldest, in order', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/queue/q', { ...EVEN, ...INDIVIDUAL, 'prefetch-count': '1' });
  publish(sender, 0, 9);
  const got: string[] = [];
  for (let [next] = messages(client); next !== undefined; [next] = messages(client)) {
    got.push(next.body);
    client.send(frameText('ACK', { id: next.ack }));
  }
  t.strictSame(got, ['0', '2', '4', '6', '8']);
});

t.test('higher priorities come first among those that are wanted', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 0, 4, { priority: '1' });
  publish(sender, 4, 8, { priority: '9' });
  client.subscribe('s', '/queue/q', ODD);
  t.strictSame(client.bodies(), ['5', '7', '1', '3']);
});

t.test('what a consumer leaves or refuses comes to the next that wants it, in its old place', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, first, second] = [fixture.connect(), fixture.connect(), fixture.connect()];
  first.subscribe('s', '/queue/q', { ...EVEN, ...INDIVIDUAL });
  second.subscribe('s', '/queue/q', { ...ODD, ...INDIVIDUAL, 'prefetch-count': '1' });
  publish(sender, 0, 6);
  t.equal(messages(first).length, 3);
  const [one] = messages(second);
  // Looked through to the end before anything comes back.
  const third = fixture.connect();
  third.subscribe('s', '/queue/q', { selector: `kind = 'even' OR kind = 'none'` });
  t.strictSame(third.bodies(), []);
  first.connection.vanish();
  t.strictSame(third.bodies(), ['0', '2', '4']);
  second.send(frameText('NACK', { id: one?.ack ?? '' }));
  t.strictSame(
    messages(second).map(({ body }) => body),
    ['1'],
  );
});

t.test('a message whose delay is over is found behind the cursor', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/queue/q', EVEN);
  publish(sender, 0, 2, { AMQ_SCHEDULED_DELAY: '1000' });
  publish(sender, 3, 4);
  t.strictSame(client.bodies(), []);
  fixture.clock.advance(2_000);
  t.strictSame(client.bodies(), ['0']);
});

t.test('an expired message is not given, whoever would want it', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 0, 2, { expiration: '1000' });
  publish(sender, 2, 4);
  fixture.clock.advance(2_000);
  client.subscribe('s', '/queue/q', EVEN);
  t.strictSame(client.bodies(), ['2']);
});

t.test('while an exclusive consumer lives, what it does not want waits', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, only, other] = [fixture.connect(), fixture.connect(), fixture.connect()];
  only.subscribe('s', '/queue/q', { ...EVEN, exclusive: 'true' });
  other.subscribe('s', '/queue/q');
  publish(sender, 0, 4);
  t.strictSame([only.bodies(), other.bodies()], [['0', '2'], []]);
  only.send(frameText('UNSUBSCRIBE', { id: 's' }));
  t.strictSame(other.bodies(), ['1', '3']);
});

t.test('a message is asked about once for each consumer, however often it acknowledges', async (t) => {
  let asked = 0;
  const wants = (message: Message): boolean => {
    asked++;
    return message.id > 5_000;
  };
  const backlog = new QueueBacklog();
  const cursor = new BacklogCursor({ accepts: wants } as unknown as Subscription);
  const entryOf = (id: number): QueuedMessage => new QueuedMessage(Message.fromHeaders(id, [], Buffer.alloc(0)), 0);
  for (let id = 1; id <= 10_000; id++) {
    const entry = entryOf(id);
    backlog.put(entry);
    cursor.onPut(entry);
  }
  let taken = 0;
  for (let entry = cursor.next(backlog); entry !== undefined; entry = cursor.next(backlog)) {
    t.equal(cursor.next(backlog), entry, 'the same until it is taken');
    backlog.take(entry);
    taken++;
  }
  t.equal(taken, 5_000);
  // One question more for each that was wanted: the same one again.
  t.equal(asked, 15_000);
  const [unwanted, wanted] = [entryOf(4_999), entryOf(7_000)];
  for (const entry of [unwanted, wanted]) {
    backlog.putBack([entry]);
    cursor.onPut(entry);
  }
  t.equal(cursor.next(backlog), wanted);
  t.equal(backlog.size, 5_002);
});
