import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import type { BrokerOptions, Partially } from '../../../broker/index.js';

const RULES = { rules: [{ pattern: '/queue/**' }] };

const letters = (text: string): string[] => Array.from(text);

function start(inbox: object = RULES, more: Partially<BrokerOptions> = {}): BrokerFixture {
  return new BrokerFixture({ ...more, inbox });
}

/** Bob was there once, and is gone; ann sends. */
function absent(
  inbox: object = RULES,
  more: Partially<BrokerOptions> = {},
): { fixture: BrokerFixture; ann: FixtureClient } {
  const fixture = start(inbox, more);
  fixture.connect({ login: 'bob' }).connection.vanish();
  return { fixture, ann: fixture.connect({ login: 'ann' }) };
}

function sendAll(ann: FixtureClient, bodies: string, destination = '/user/bob/queue/x'): void {
  for (const body of bodies) ann.publish(destination, body);
}

/** A new connection of bob's, subscribed. */
function bobWith(fixture: BrokerFixture, destination = '/user/queue/x', headers = {}): FixtureClient {
  const bob = fixture.connect({ login: 'bob' });
  bob.subscribe('s', destination, headers);
  return bob;
}

/** Of the MESSAGEs that arrived: body, and how often it was delivered where that is told. */
function received(client: FixtureClient): string[] {
  return client
    .frames()
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) => {
      const count = header(frame, 'delivery-count');
      if ((count !== undefined) !== (header(frame, 'redelivered') === 'true')) throw new Error('count without flag');
      return `${frame.body.toString()}${count === undefined ? '' : `#${count}`}`;
    });
}

/** Messages that wait for their ACK, by body. */
function ackIds(client: FixtureClient): Map<string, string> {
  const messages = client.frames().filter(({ command }) => command === 'MESSAGE');
  return new Map(messages.map((frame) => [frame.body.toString(), header(frame, 'ack') ?? '']));
}

t.test('without a rule nothing is kept', async (t) => {
  for (const inbox of [{}, { rules: [{ pattern: '/topic/**' }] }]) {
    const { fixture, ann } = absent(inbox);
    sendAll(ann, 'a');
    t.strictSame(received(bobWith(fixture)), []);
    t.match(fixture.broker.stats(), { messagesDropped: 1, inbox: { kept: 0, refused: 0 } });
  }
});

t.test('a user who comes back gets what was sent meanwhile, oldest first, then what is sent now', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'abc');
  await fixture.broker.convertAndSendToUser('bob', '/queue/x', 'd');
  t.match(fixture.broker.stats(), { messagesDropped: 0, inbox: { users: 1, messages: 4, kept: 4, delivered: 0 } });
  const bob = fixture.connect({ login: 'bob' });
  t.strictSame(received(bob), [], 'nothing before he subscribes');
  bob.subscribe('s', '/user/queue/x', { receipt: 'r' });
  sendAll(ann, 'e');
  const frames = bob.frames();
  t.equal(frames[0]?.command, 'RECEIPT');
  t.strictSame(
    frames
      .slice(1)
      .map((frame) => [frame.body.toString(), header(frame, 'destination'), header(frame, 'subscription')]),
    letters('abcde').map((body) => [body, '/user/queue/x', 's']),
  );
  t.match(fixture.broker.stats().inbox, { users: 0, messages: 0, bytes: 0, kept: 4, delivered: 4 });
  t.strictSame(received(bobWith(fixture)), [], 'once');
});

t.test('messages of clients are kept for users who have been there, unless the options say for any name', async (t) => {
  for (const recipients of ['known', 'any']) {
    const fixture = start({ ...RULES, recipients });
    const ann = fixture.connect({ login: 'ann' });
    sendAll(ann, 'ab');
    t.equal(fixture.broker.stats().inbox.refused, recipients === 'any' ? 0 : 2);
    t.equal(fixture.broker.stats().messagesDropped, recipients === 'any' ? 0 : 2);
    await fixture.broker.convertAndSendToUser('bob', '/queue/x', 'c');
    sendAll(ann, 'd');
    t.strictSame(received(bobWith(fixture)), letters(recipients === 'any' ? 'abcd' : 'cd'));
  }
});

t.test('a name is known for as long as the options say, and while something is kept for it', async (t) => {
  const { fixture, ann } = absent({ ...RULES, rememberUsersMs: 1_000 });
  fixture.clock.advance(1_000);
  sendAll(ann, 'a');
  fixture.clock.advance(5_000);
  sendAll(ann, 'b');
  const bob = bobWith(fixture);
  t.strictSame(received(bob), ['a', 'b']);
  bob.connection.vanish();
  fixture.clock.advance(2_000);
  sendAll(ann, 'c');
  t.match(fixture.broker.stats().inbox, { kept: 2, refused: 1 });
});

t.test('beyond so many names the one that has been away for the longest is forgotten', async (t) => {
  const fixture = start({ ...RULES, maxKnownUsers: 3 });
  const ann = fixture.connect({ login: 'ann' });
  for (const login of ['bob', 'cid', 'bob', 'dan']) fixture.connect({ login }).connection.vanish();
  fixture.connect({ login: 'ann' });
  for (const name of ['bob', 'cid', 'dan']) ann.publish(`/user/${name}/queue/x`, name);
  t.match(fixture.broker.stats().inbox, { kept: 2, refused: 1 });
  t.strictSame(received(bobWith(fixture)), ['bob']);
});

t.test('a subscription gets the destinations it covers, in the order they were sent', async (t) => {
  const { fixture, ann } = absent();
  for (const [body, rest] of [
    ['a', '/queue/x'],
    ['b', '/queue/y/z'],
    ['c', '/queue/w'],
    ['d', '/queue/x'],
    ['e', '/queue/y/z'],
  ] as const)
    ann.publish(`/user/bob${rest}`, body);
  const bob = bobWith(fixture, '/user/queue/w');
  t.strictSame(received(bob), ['c']);
  bob.subscribe('p', '/user/queue/y/*');
  t.strictSame(received(bob), ['b', 'e']);
  sendAll(ann, 'f');
  bob.subscribe('all', '/user/queue/**');
  sendAll(ann, 'g');
  t.strictSame(received(bob), ['a', 'd', 'f', 'g']);
});

t.test('a user who is there without a subscription that matches is not there', async (t) => {
  const { fixture, ann } = absent();
  const bob = bobWith(fixture, '/user/queue/other');
  sendAll(ann, 'a');
  const second = bobWith(fixture);
  sendAll(ann, 'b');
  t.strictSame([received(bob), received(second)], [[], ['a', 'b']]);
  bob.subscribe('late', '/user/queue/x');
  sendAll(ann, 'c');
  t.strictSame([received(bob), received(second)], [['c'], ['c']], 'b had somebody');
});

t.test('what is for one session, or for nobody in particular, is not kept', async (t) => {
  const { fixture } = absent();
  const bob = fixture.connect({ login: 'bob' });
  const session = header(bob.welcome, 'session') ?? '';
  const nobody = fixture.connect();
  fixture.broker.message('/one', () => 'reply', { sendToUser: '/queue/x', broadcast: false });
  fixture.broker.message('/anonymous', () => 'reply', { sendToUser: '/queue/x' });
  bob.publish('/user/bob/queue/x', 'to myself');
  bob.publish(`/user/${session}/queue/x`, 'to my session');
  bob.publish('/app/one', '');
  nobody.publish('/app/anonymous', '');
  await fixture.broker.convertAndSendToUser('bob', '/queue/x', 'one session', {}, { session });
  await fixture.broker.convertAndSendToUser('bob', '/elsewhere', 'leads nowhere');
  t.match(fixture.broker.stats().inbox, { kept: 0, refused: 0 });
  nobody.subscribe('s', '/user/queue/x');
  t.strictSame([received(nobody), received(bobWith(fixture))], [[], []]);
});

t.test("a handler's reply to all sessions of its user is kept when none has subscribed", async (t) => {
  const fixture = start();
  fixture.broker.message('/job', () => 'done', { sendToUser: '/queue/x' });
  const bob = fixture.connect({ login: 'bob' });
  bob.publish('/app/job', '');
  bob.subscribe('s', '/user/queue/x');
  t.strictSame(received(bob), ['done']);
});

t.test('beyond the bounds of a rule the oldest of that user under that rule gives way', async (t) => {
  const rules = [
    { pattern: '/queue/big/**', maxMessages: 10 },
    { pattern: '/queue/**', maxMessages: 3 },
  ];
  const { fixture, ann } = absent({ rules });
  await fixture.broker.convertAndSendToUser('cid', '/queue/x', 'untouched');
  sendAll(ann, 'kl', '/user/bob/queue/big/y');
  sendAll(ann, 'abc');
  sendAll(ann, 'defg', '/user/bob/queue/y');
  t.match(fixture.broker.stats().inbox, { messages: 6, kept: 10, overflow: 4 });
  t.strictSame(received(bobWith(fixture, '/user/queue/**')), ['k', 'l', 'e', 'f', 'g']);
});

t.test('octets are bounded too: of one user, and of all, without any pushing out what is for another', async (t) => {
  const of = (bytes: number): string => 'x'.repeat(bytes);
  const one = absent({ rules: [{ pattern: '/queue/**', maxBytes: 5_000 }] });
  for (const bytes of [1_000, 1_001, 1_002, 1_003]) one.ann.publish('/user/bob/queue/x', of(bytes));
  one.ann.publish('/user/bob/queue/x', of(5_000));
  t.match(one.fixture.broker.stats().inbox, { messages: 3, overflow: 1, refused: 1 });
  t.strictSame(received(bobWith(one.fixture)), [of(1_001), of(1_002), of(1_003)]);

  const all = absent({ ...RULES, maxBytes: 5_000 });
  const { broker } = all.fixture;
  for (const user of ['bob', 'cid', 'dan', 'eve']) await broker.convertAndSendToUser(user, '/queue/x', of(1_200));
  t.match(broker.stats().inbox, { users: 3, messages: 3, refused: 1, overflow: 0 });
  await broker.convertAndSendToUser('bob', '/queue/x', of(1_201));
  t.match(broker.stats().inbox, { users: 3, messages: 3, refused: 1, overflow: 1 });
  t.strictSame(received(bobWith(all.fixture)), [of(1_201)]);
});

t.test('no more users than the options say have an inbox', async (t) => {
  const fixture = start({ ...RULES, maxUsers: 2 });
  for (const user of ['a', 'b', 'c', 'b']) await fixture.broker.convertAndSendToUser(user, '/queue/x', user);
  t.match(fixture.broker.stats().inbox, { users: 2, messages: 3, refused: 1 });
});

t.test('names that are longer than a destination may be have no inbox', async (t) => {
  const fixture = start({ ...RULES, recipients: 'any' });
  for (const length of [1_015, 1_016, 1_017])
    await fixture.broker.convertAndSendToUser('n'.repeat(length), '/queue/x', '');
  t.match(fixture.broker.stats().inbox, { users: 2, refused: 1 });
});

t.test('messages expire: after the time of the rule, or earlier when the sender says so', async (t) => {
  const { fixture, ann } = absent({ rules: [{ pattern: '/queue/**', ttlMs: 10_000 }] });
  sendAll(ann, 'a');
  ann.publish('/user/bob/queue/x', 'b', { expires: String(fixture.clock.epochMs() + 3_000) });
  ann.publish('/user/bob/queue/x', 'c', { expiration: '60000' });
  ann.publish('/user/bob/queue/x', 'd', { expires: 'never' });
  fixture.clock.advance(2_900);
  t.equal(fixture.broker.stats().inbox.messages, 4);
  fixture.clock.advance(200);
  t.match(fixture.broker.stats().inbox, { messages: 3, expired: 1 });
  fixture.clock.advance(4_000);
  sendAll(ann, 'e');
  fixture.clock.advance(3_000);
  t.match(fixture.broker.stats().inbox, { messages: 1, expired: 4 });
  t.strictSame(received(bobWith(fixture)), ['e']);
  fixture.clock.advance(60_000);
  t.match(fixture.broker.stats().inbox, { messages: 0, expired: 4, delivered: 1 });
});

t.test('with a time of 0 messages stay', async (t) => {
  const { fixture, ann } = absent({ rules: [{ pattern: '/queue/**', ttlMs: 0 }] });
  sendAll(ann, 'a');
  fixture.clock.advance(30 * 86_400_000);
  t.strictSame(received(bobWith(fixture)), ['a']);
});

t.test('in the client ack modes a message stays until its ACK, and comes again in its place', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'abcd');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client-individual', 'prefetch-count': '3' });
  const ids = ackIds(bob);
  t.strictSame([...ids.keys()], ['a', 'b', 'c']);
  bob.send(frameText('ACK', { id: ids.get('b') ?? '' }));
  t.strictSame(received(bob), ['d']);
  t.match(fixture.broker.stats().inbox, { messages: 3, delivered: 1 });
  bob.connection.vanish();
  sendAll(ann, 'e');
  t.strictSame(received(bobWith(fixture)), ['a#2', 'c#2', 'd#2', 'e']);
  t.match(fixture.broker.stats().inbox, { messages: 0, delivered: 5 });
});

t.test('what is published while the window is full comes behind the inbox', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'abc');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client', 'prefetch-count': '2' });
  sendAll(ann, 'de');
  const got: string[] = [];
  for (let ids = ackIds(bob); ids.size > 0; ids = ackIds(bob)) {
    got.push(...ids.keys());
    bob.send(frameText('ACK', { id: [...ids.values()].at(-1) ?? '' }));
  }
  t.strictSame(got, letters('abcde'));
});

t.test('in auto mode a message that was not written stays, and comes again unmarked', async (t) => {
  const { fixture, ann } = absent(RULES, { outbox: { highWaterBytes: 3_000 } });
  const bodies = letters('abcdef').map((letter) => letter.repeat(1_000));
  for (const body of bodies) ann.publish('/user/bob/queue/x', body);
  const bob = fixture.connect({ login: 'bob' });
  bob.connection.freeze();
  bob.subscribe('s', '/user/queue/x');
  ann.publish('/user/bob/queue/x', 'live');
  fixture.clock.turn();
  const { delivered } = fixture.broker.stats().inbox;
  t.ok(delivered > 0 && delivered < 6, `${delivered} were written`);
  bob.connection.vanish();
  bob.connection.thaw();
  t.strictSame(received(bob), bodies.slice(0, delivered));
  t.strictSame(received(bobWith(fixture)), bodies.slice(delivered));
  t.match(fixture.broker.stats().inbox, { messages: 0, delivered: 6 });
});

t.test('a client that reads slowly gets everything, the inbox before what is published', async (t) => {
  const { fixture, ann } = absent(RULES, { outbox: { highWaterBytes: 3_000 } });
  const bodies = letters('abcdef').map((letter) => letter.repeat(1_000));
  for (const body of bodies) ann.publish('/user/bob/queue/x', body);
  const bob = fixture.connect({ login: 'bob' });
  bob.connection.freeze();
  bob.subscribe('s', '/user/queue/x');
  const got: string[] = [];
  for (let k = 0; k < 8; k++) {
    ann.publish('/user/bob/queue/x', `live ${k}`);
    fixture.clock.turn();
    bob.connection.sip();
    got.push(...received(bob));
  }
  t.strictSame(got, [...bodies, ...Array.from({ length: 8 }, (_, k) => `live ${k}`)]);
  t.match(fixture.broker.stats().inbox, { messages: 0, delivered: 6 });
});

t.test('a client that leaves too much behind its inbox is cut, and keeps what the inbox holds', async (t) => {
  const { fixture, ann } = absent(RULES, {
    outbox: { highWaterBytes: 1_000, softLimitBytes: 5_000, hardLimitBytes: 5_000 },
  });
  sendAll(ann, 'ab');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client', 'prefetch-count': '1' });
  for (let k = 0; k < 6; k++) ann.publish('/user/bob/queue/x', 'x'.repeat(1_000));
  fixture.clock.turn();
  t.equal(fixture.broker.stats().closed['slow-consumer'], 1);
  t.ok(bob.isGone);
  t.strictSame(received(bobWith(fixture)), ['a#2', 'b']);
});

t.test('UNSUBSCRIBE puts back what was not written; what was is settled', async (t) => {
  const { fixture, ann } = absent(RULES, { outbox: { highWaterBytes: 3_000 } });
  const bodies = letters('abcdef').map((letter) => letter.repeat(1_000));
  for (const body of bodies) ann.publish('/user/bob/queue/x', body);
  const bob = fixture.connect({ login: 'bob' });
  bob.connection.freeze();
  bob.subscribe('s', '/user/queue/x');
  fixture.clock.turn();
  bob.send(frameText('UNSUBSCRIBE', { id: 's', receipt: 'u' }));
  fixture.clock.turn();
  bob.connection.thaw();
  const frames = bob.frames();
  const before = frames.findIndex(({ command }) => command === 'RECEIPT');
  t.equal(before, frames.length - 1, 'nothing behind RECEIPT');
  bob.subscribe('again', '/user/queue/x');
  t.strictSame([...frames.slice(0, before).map(({ body }) => body.toString()), ...received(bob)], bodies);
});

t.test('what one session leaves goes to another that is there', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'abc');
  const first = bobWith(fixture, '/user/queue/x', { ack: 'client', 'prefetch-count': '2' });
  const second = bobWith(fixture, '/user/queue/*');
  t.strictSame([received(first), received(second)], [['a', 'b'], []]);
  first.connection.vanish();
  t.strictSame(received(second), ['a#2', 'b#2', 'c']);
});

t.test('NACK: again after the backoff or its delay, or never', async (t) => {
  const { fixture, ann } = absent(RULES, { queueDefaults: { maxDeliveries: 4 } });
  sendAll(ann, 'abc');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client-individual' });
  const ids = ackIds(bob);
  bob.send(frameText('NACK', { id: ids.get('b') ?? '', requeue: 'false' }));
  bob.send(frameText('NACK', { id: ids.get('c') ?? '', delay: '5000' }));
  bob.send(frameText('ACK', { id: ids.get('a') ?? '' }));
  t.strictSame(received(bob), []);
  t.match(fixture.broker.stats(), { inbox: { messages: 1 }, givenUp: { rejected: 1 } });
  fixture.clock.advance(5_050);
  const again = bob.frames();
  t.equal(header(again[0], 'delivery-count'), '2');
  bob.send(frameText('NACK', { id: header(again[0], 'ack') ?? '' }));
  fixture.clock.advance(50);
  t.strictSame(received(bob), [], 'refused twice: the backoff holds it back');
  fixture.clock.advance(100);
  const third = bob.frames();
  t.equal(header(third[0], 'delivery-count'), '3');
  bob.send(frameText('NACK', { id: header(third[0], 'ack') ?? '', delay: '0' }));
  const fourth = bob.frames();
  bob.send(frameText('NACK', { id: header(fourth[0], 'ack') ?? '' }));
  t.match(fixture.broker.stats(), { inbox: { messages: 0 }, givenUp: { rejected: 1, 'max-deliveries': 1 } });
});

t.test('a message that was refused waits for its time also when its client has left', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'ab');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client-individual' });
  bob.send(frameText('NACK', { id: ackIds(bob).get('a') ?? '', delay: '5000' }));
  bob.connection.vanish();
  const second = bobWith(fixture);
  t.strictSame(received(second), ['b#2']);
  fixture.clock.advance(5_050);
  t.strictSame(received(second), ['a#2']);
});

t.test('of what is published a NACK is the matter of the topic still', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'a');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client' });
  sendAll(ann, 'b');
  bob.send(frameText('NACK', { id: ackIds(bob).get('b') ?? '' }));
  t.strictSame(received(bob), ['a#2', 'b#2']);
  bob.connection.vanish();
  t.strictSame(received(bobWith(fixture)), ['a#3'], 'b was sent to who was there');
});

t.test('a transaction that acknowledges decides at its end, also when the subscription has ended', async (t) => {
  for (const end of ['COMMIT', 'ABORT']) {
    for (const verb of ['ACK', 'NACK']) {
      const { fixture, ann } = absent();
      sendAll(ann, 'ab');
      const bob = bobWith(fixture, '/user/queue/x', { ack: 'client-individual' });
      const id = ackIds(bob).get('a') ?? '';
      bob.send(frameText('BEGIN', { transaction: 't' }));
      bob.send(frameText(verb, { id, transaction: 't' }));
      bob.send(frameText('UNSUBSCRIBE', { id: 's' }));
      const second = bobWith(fixture);
      t.strictSame(received(second), ['b#2'], 'a is in the transaction');
      bob.send(frameText(end, { transaction: 't' }));
      t.strictSame(received(second), end === 'COMMIT' && verb === 'ACK' ? [] : ['a#2'], `${end} of ${verb}`);
      t.equal(fixture.broker.stats().inbox.messages, 0);
    }
  }
});

t.test('a session that ends within a transaction gives back what it acknowledged there', async (t) => {
  const { fixture, ann } = absent();
  sendAll(ann, 'ab');
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client' });
  bob.send(frameText('BEGIN', { transaction: 't' }));
  bob.send(frameText('ACK', { id: ackIds(bob).get('b') ?? '', transaction: 't' }));
  bob.connection.vanish();
  t.strictSame(received(bobWith(fixture)), ['a#2', 'b#2']);
});

t.test('SENDs of a transaction are kept at COMMIT', async (t) => {
  const { fixture, ann } = absent();
  for (const end of ['ABORT', 'COMMIT']) {
    ann.send(frameText('BEGIN', { transaction: 't' }));
    for (const body of ['a', 'b']) ann.publish('/user/bob/queue/x', body, { transaction: 't' });
    t.equal(fixture.broker.stats().inbox.kept, 0);
    ann.send(frameText(end, { transaction: 't' }));
  }
  t.strictSame(received(bobWith(fixture)), ['a', 'b']);
});

t.test('a selector leaves what it does not want for another subscription', async (t) => {
  const { fixture, ann } = absent();
  for (const [body, kind] of Object.entries({ a: 'x', b: 'y', c: 'x' }))
    ann.publish('/user/bob/queue/x', body, { kind });
  const bob = bobWith(fixture, '/user/queue/x', { selector: "kind = 'x'" });
  t.strictSame(received(bob), ['a', 'c']);
  ann.publish('/user/bob/queue/x', 'd', { kind: 'y' });
  bob.subscribe('all', '/user/queue/x');
  t.strictSame(received(bob), ['b'], 'd had a subscription, which did not want it');
});

t.test('rules are asked before anything is kept', async (t) => {
  const isAllowed = ({ destination }: { readonly destination: string }): boolean =>
    !destination.startsWith('/user/bob');
  const fixture = new BrokerFixture({ inbox: RULES, refusals: 'soft' }, undefined, 'info', { isAllowed });
  const ann = fixture.connect({ login: 'ann' });
  for (const user of ['bob', 'cid']) {
    fixture.connect({ login: user }).connection.vanish();
    ann.publish(`/user/${user}/queue/x`, user);
  }
  t.match(fixture.broker.stats().inbox, { users: 1, kept: 1, refused: 0 });
});

t.test('an interceptor may send what was for an absent user elsewhere, or change it', async (t) => {
  const { fixture, ann } = absent();
  fixture.broker.interceptBroker((message) => ({ ...message, body: Buffer.from(`${message.body.toString()}!`) }));
  sendAll(ann, 'a');
  await fixture.broker.convertAndSendToUser('bob', '/queue/x', 'b');
  t.strictSame(received(bobWith(fixture)), ['a!', 'b!']);
});
