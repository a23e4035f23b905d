/**
 * Inboxes of users over sockets, wherever they are kept: in memory, in SQLite, or where test servers have their store
 * (HOOFBEAT_TEST_REDIS; test/adapters/redis/inbox-suites.test.ts).
 */
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { RawClient, type ReceivedFrame } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { until } from '../helpers/until.js';

const NAMES = ['ann', 'bob', 'cid', 'dan'];
const USERS = NAMES.map((login) => ({ login, passcode: 'secret' }));
const RULES = { rules: [{ pattern: '/queue/**' }] };
const INDIVIDUAL = { ack: 'client-individual' };

const isElsewhere = process.env['HOOFBEAT_TEST_REDIS'] !== undefined;

type InboxOptions = NonNullable<NonNullable<ServerOptions['broker']>['inbox']>;

async function login(t: Test, { tcpPort }: TestServer, name: string): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', { login: name, passcode: 'secret' });
  return client;
}

async function leave(client: RawClient): Promise<void> {
  client.sendFrame('DISCONNECT', { receipt: 'bye' });
  await client.receipt('bye');
  await client.closed();
}

/** Each with its RECEIPT, so in this order. */
async function sendAll(
  client: RawClient,
  bodies: string,
  destination = '/user/bob/queue/x',
  headers = {},
): Promise<void> {
  for (const body of bodies) client.sendFrame('SEND', { destination, receipt: body, ...headers }, body);
  for (const body of bodies) await client.receipt(body);
}

/** Bodies of the next ones, and how often they were delivered where that is told. */
async function next(client: RawClient, count: number): Promise<string> {
  return (await client.messages(count)).map(describe).join(' ');
}

function describe(message: ReceivedFrame): string {
  const count = message.get('delivery-count');
  if ((count !== undefined) !== (message.get('redelivered') === 'true')) throw new Error('a count without its flag');
  return count === undefined ? message.text : `${message.text}#${count}`;
}

function settle(client: RawClient, command: 'ACK' | 'NACK', message: ReceivedFrame | undefined, more = {}): void {
  client.sendFrame(command, { id: message?.get('ack') ?? '', ...more });
}

for (const where of isElsewhere ? ['elsewhere'] : ['memory', 'SQLite']) {
  const isLasting = where !== 'memory';

  const start = async (t: Test, inbox: InboxOptions, data: string | false, broker = {}): Promise<TestServer> => {
    const server = await startTestServer({ http: false, data, auth: { users: USERS }, broker: { inbox, ...broker } });
    t.teardown(server.stop);
    return server;
  };

  /** A server where bob has been, and ann is. */
  const absent = async (
    t: Test,
    inbox: InboxOptions = RULES,
    broker = {},
  ): Promise<{ server: TestServer; ann: RawClient; data: string | false }> => {
    const data = isLasting ? temporaryDirectory(t) : false;
    const server = await start(t, inbox, data, broker);
    await leave(await login(t, server, 'bob'));
    return { server, ann: await login(t, server, 'ann'), data };
  };

  /** A new connection of bob's, subscribed. */
  const bobWith = async (t: Test, server: TestServer, rest = '/queue/x', headers = {}): Promise<RawClient> => {
    const bob = await login(t, server, 'bob');
    await bob.subscribe(`/user${rest}`, 's', headers);
    return bob;
  };

  /** So many were delivered by this server, and nothing is left. */
  const isEmpty = (server: TestServer, delivered: number): Promise<void> =>
    until('an empty inbox', () => {
      const { inbox } = server.server.broker.stats();
      return inbox.delivered === delivered && inbox.messages === 0;
    });

  void t.test(`in ${where}`, (t) => {
    t.test('who comes back gets what was sent meanwhile, oldest first, then what is sent now, and once', async (t) => {
      const { server, ann } = await absent(t);
      await sendAll(ann, 'abc');
      await server.server.broker.convertAndSendToUser('bob', '/queue/x', 'd');
      const bob = await bobWith(t, server);
      await sendAll(ann, 'e');
      t.equal(await next(bob, 5), 'a b c d e');
      await bob.fence();
      await leave(bob);
      const again = await bobWith(t, server);
      await sendAll(ann, 'f');
      t.equal(await next(again, 1), 'f');
      await isEmpty(server, 4);
    });

    t.test('a subscription gets the destinations it covers, in the order they were sent', async (t) => {
      const { server, ann } = await absent(t);
      for (const [body, rest] of ['a x', 'b y/z', 'c w', 'd x', 'e y/z', 'f r1', 'g rx'].map((each) =>
        each.split(' '),
      )) {
        await sendAll(ann, body ?? '', `/user/bob/queue/${rest}`);
      }
      const bob = await bobWith(t, server, '/queue/w');
      t.equal(await next(bob, 1), 'c');
      for (const [pattern, expected] of [
        ['/queue/y/*', 'b e'],
        ['/queue/r{digit:[0-9]}', 'f'],
        ['/queue/r?', 'g'],
        ['/queue/**', 'a d'],
      ] as const) {
        await bob.subscribe(`/user${pattern}`, pattern);
        t.equal(await next(bob, expected.split(' ').length), expected);
      }
    });

    t.test('a user who is there without a subscription that matches is not there', async (t) => {
      const { server, ann } = await absent(t);
      const bob = await bobWith(t, server, '/queue/other');
      await sendAll(ann, 'a');
      const second = await bobWith(t, server);
      await sendAll(ann, 'b');
      t.equal(await next(second, 2), 'a b');
      await bob.subscribe('/user/queue/x', 'late');
      await sendAll(ann, 'c');
      t.same([await next(bob, 1), await next(second, 1)], ['c', 'c'], 'b had somebody');
    });

    t.test('messages of clients are kept for who has been there, those of the application for any name', async (t) => {
      for (const recipients of ['known', 'any'] as const) {
        const { server, ann } = await absent(t, { ...RULES, recipients });
        await sendAll(ann, 'ab', '/user/cid/queue/x');
        await server.server.broker.convertAndSendToUser('cid', '/queue/x', 'c');
        await sendAll(ann, 'd', '/user/cid/queue/x');
        const cid = await login(t, server, 'cid');
        await cid.subscribe('/user/queue/x', 's');
        const expected = recipients === 'known' ? 'c d' : 'a b c d';
        t.equal(await next(cid, expected.split(' ').length), expected);
        t.equal(server.server.broker.stats().inbox.refused, recipients === 'known' ? 2 : 0);
      }
    });

    t.test('beyond the bounds of a rule the oldest of that user under that rule gives way', async (t) => {
      const rules = [
        { pattern: '/queue/big/**', maxMessages: 10 },
        { pattern: '/queue/**', maxMessages: 3 },
      ];
      const { server, ann } = await absent(t, { rules });
      const { broker } = server.server;
      await broker.convertAndSendToUser('cid', '/queue/x', 'untouched');
      await sendAll(ann, 'kl', '/user/bob/queue/big/y');
      await sendAll(ann, 'abc');
      await sendAll(ann, 'defg', '/user/bob/queue/y');
      t.match(broker.stats().inbox, { kept: 10, overflow: 4 });
      t.equal(await next(await bobWith(t, server, '/queue/**'), 5), 'k l e f g');
      const cid = await login(t, server, 'cid');
      await cid.subscribe('/user/queue/**', 's');
      t.equal(await next(cid, 1), 'untouched');
    });

    t.test('octets and users are bounded, and nobody pushes out what is for another', async (t) => {
      const of = (bytes: number): string => 'x'.repeat(bytes);
      const one = await absent(t, { rules: [{ pattern: '/queue/**', maxBytes: 5_000 }] });
      for (const bytes of [1_000, 1_001, 1_002, 1_003, 5_000]) {
        await one.server.server.broker.convertAndSendToUser('bob', '/queue/x', of(bytes));
      }
      t.match(one.server.server.broker.stats().inbox, { kept: 4, overflow: 1, refused: 1 });
      const lengths = (await (await bobWith(t, one.server)).messages(3)).map(({ text }) => text.length);
      t.strictSame(lengths, [1_001, 1_002, 1_003]);

      const all = await absent(t, { ...RULES, maxBytes: 5_000 });
      const { broker } = all.server.server;
      for (const user of ['bob', 'cid', 'dan', 'ann']) await broker.convertAndSendToUser(user, '/queue/x', of(1_200));
      t.match(broker.stats().inbox, { kept: 3, refused: 1, overflow: 0 });
      await broker.convertAndSendToUser('bob', '/queue/x', of(1_201));
      t.match(broker.stats().inbox, { kept: 4, refused: 1, overflow: 1 });

      const few = await absent(t, { ...RULES, maxUsers: 2 });
      for (const user of ['bob', 'cid', 'dan', 'cid'])
        await few.server.server.broker.convertAndSendToUser(user, '/queue/x', user);
      t.match(few.server.server.broker.stats().inbox, { kept: 3, refused: 1 });
      await until('what is kept', () => few.server.server.broker.stats().inbox.messages === 3);
      t.equal(few.server.server.broker.stats().inbox.users, 2);
    });

    t.test('messages expire: after the time of the rule, or earlier when the sender says so', async (t) => {
      const { server, ann } = await absent(t, { rules: [{ pattern: '/queue/**', ttlMs: 60_000 }] });
      await sendAll(ann, 'a', undefined, { expiration: '30' });
      await sendAll(ann, 'b');
      await sendAll(ann, 'c', undefined, { expires: 'never' });
      await until('the end of one', () => server.server.broker.stats().inbox.expired === 1);
      t.equal(await next(await bobWith(t, server), 2), 'b c');
    });

    t.test('in the client ack modes a message stays until its ACK, and comes again in its place', async (t) => {
      const { server, ann } = await absent(t);
      await sendAll(ann, 'abcd');
      const bob = await bobWith(t, server, '/queue/x', { ...INDIVIDUAL, 'prefetch-count': '3' });
      const [, b] = await bob.messages(3);
      settle(bob, 'ACK', b, { receipt: 'b' });
      const frames = [await bob.frame(), await bob.frame()];
      t.strictSame(frames.map(({ command }) => command).sort(), ['MESSAGE', 'RECEIPT']);
      await leave(bob);
      await sendAll(ann, 'e');
      t.equal(await next(await bobWith(t, server), 4), 'a#2 c#2 d#2 e');
      await isEmpty(server, 5);
    });

    t.test('what is published while the window is full comes behind the inbox', async (t) => {
      const { server, ann } = await absent(t);
      await sendAll(ann, 'abc');
      const bob = await bobWith(t, server, '/queue/x', { ack: 'client', 'prefetch-count': '2' });
      await sendAll(ann, 'de');
      const got: string[] = [];
      while (got.length < 5) {
        const message = await bob.frame('MESSAGE');
        got.push(describe(message));
        if (got.length % 2 === 0) settle(bob, 'ACK', message);
      }
      t.equal(got.join(' '), 'a b c d e');
    });

    t.test('what one session leaves goes to another that is there', async (t) => {
      const { server, ann } = await absent(t);
      await sendAll(ann, 'abc');
      const first = await bobWith(t, server, '/queue/x', { ack: 'client', 'prefetch-count': '2' });
      t.equal(await next(first, 2), 'a b');
      const second = await bobWith(t, server, '/queue/*');
      first.destroy();
      t.equal(await next(second, 3), 'a#2 b#2 c');
    });

    t.test('NACK: again, after its delay, or never', async (t) => {
      const { server, ann } = await absent(t);
      await sendAll(ann, 'abc');
      const bob = await bobWith(t, server, '/queue/x', INDIVIDUAL);
      const [a, b, c] = await bob.messages(3);
      settle(bob, 'NACK', b, { requeue: 'false' });
      settle(bob, 'NACK', c, { delay: '100' });
      settle(bob, 'NACK', a);
      const again = await bob.messages(2);
      t.equal(again.map(describe).join(' '), 'a#2 c#2');
      for (const message of again) settle(bob, 'ACK', message);
      await isEmpty(server, 2);
      t.match(server.server.broker.stats(), { givenUp: { rejected: 1 } });
    });

    t.test('a transaction keeps and acknowledges at its COMMIT, and not at all at its ABORT', async (t) => {
      for (const end of ['ABORT', 'COMMIT']) {
        const { server, ann } = await absent(t);
        await sendAll(ann, 'ab');
        const bob = await bobWith(t, server, '/queue/x', INDIVIDUAL);
        const [a] = await bob.messages(2);
        bob.sendFrame('BEGIN', { transaction: 't' });
        settle(bob, 'ACK', a, { transaction: 't' });
        bob.sendFrame('SEND', { destination: '/user/ann/queue/x', transaction: 't' }, 'thanks');
        bob.sendFrame(end, { transaction: 't', receipt: end });
        await bob.receipt(end);
        await leave(bob);
        const isDone = end === 'COMMIT';
        t.equal(await next(await bobWith(t, server), isDone ? 1 : 2), isDone ? 'b#2' : 'a#2 b#2');
        await ann.subscribe('/user/queue/x', 's');
        await server.server.broker.convertAndSendToUser('ann', '/queue/x', 'live');
        t.equal(await next(ann, isDone ? 2 : 1), isDone ? 'thanks live' : 'live');
      }
    });

    t.test('a selector leaves what it does not want for another subscription', async (t) => {
      const { server, ann } = await absent(t);
      for (const [body, kind] of Object.entries({ a: 'x', b: 'y', c: 'x' }))
        await sendAll(ann, body, undefined, { kind });
      const bob = await bobWith(t, server, '/queue/x', { selector: "kind = 'x'" });
      t.equal(await next(bob, 2), 'a c');
      await sendAll(ann, 'd', undefined, { kind: 'y' });
      await bob.subscribe('/user/queue/x', 'all');
      t.equal(await next(bob, 1), 'b', 'd had a subscription, which did not want it');
      await isEmpty(server, 3);
    });

    t.test('a message that was sent before with its key is kept once', async (t) => {
      const { server, ann } = await absent(t);
      for (let k = 0; k < 2; k++) await sendAll(ann, 'a', undefined, { 'message-key': 'k' });
      await sendAll(ann, 'b');
      t.equal(await next(await bobWith(t, server), 2), 'a b');
    });

    t.test('what is kept outlives the server, with its order and what was not acknowledged', async (t) => {
      if (!isLasting) {
        t.pass('not in memory');
        return;
      }
      const first = await absent(t);
      await sendAll(first.ann, 'abc');
      const bob = await bobWith(t, first.server, '/queue/x', { ...INDIVIDUAL, 'prefetch-count': '2' });
      settle(bob, 'ACK', (await bob.messages(2))[0], { receipt: 'r' });
      await until('the RECEIPT', async () => (await bob.frame()).command === 'RECEIPT');
      await first.server.stop();
      const second = await start(t, RULES, first.data);
      const ann = await login(t, second, 'ann');
      await sendAll(ann, 'd');
      const messages = await (await bobWith(t, second)).messages(3);
      t.equal(messages.map(({ text }) => text).join(' '), 'b c d');
      t.equal(messages[0]?.get('redelivered'), 'true');
      await isEmpty(second, 3);
    });
    t.end();
  });
}
