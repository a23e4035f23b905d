/** The test kit as a user of it works: handlers of an application, tested without a socket. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Broker, StandardSchema } from '../../../adapters/index.js';
import {
  assertMatch,
  ConnectRefusedError,
  createTestBroker,
  expectClosed,
  expectError,
  expectMessage,
  expectNoMessage,
  expectPayloads,
  expectReceipt,
  type TestClient,
} from '../../../adapters/testing/index.js';
import { BrokerError } from '../../../broker/errors.js';

const Name: StandardSchema<unknown, { name: string }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
        ? { value: { name: value.name } }
        : { issues: [{ message: 'wants a name' }] },
  },
};

/** An application's own registration, as it would call it on the broker of production. */
function registerHandlers(broker: Broker): void {
  broker.message('/hello', ({ payload }) => ({ content: `Hello, ${payload.name}!` }), {
    schema: Name,
    sendTo: '/topic/greetings',
  });
  broker.message('/rooms/{room}/say', async ({ payload, variables, user }) => {
    await delay(5);
    return { room: variables.room, from: user.name, text: payload };
  });
  broker.message('/mine', ({ payload }) => payload, { sendToUser: '/queue/mine' });
  broker.message('/hang', () => new Promise(() => undefined));
  broker.message('/fail', () => {
    throw new Error('the database is away');
  });
  broker.subscribeMapping('/prices/{symbol}', ({ variables }) => ({ symbol: variables.symbol, price: 1 }));
}

t.test('a handler is called and its reply has arrived when send resolves', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect({ user: 'ann' });
  const bob = await test.connect();
  const greetings = await bob.subscribe('/topic/greetings');
  await ann.send('/app/hello', { name: 'Ann' });
  t.strictSame((await bob.nextMessage(greetings)).payload, { content: 'Hello, Ann!' });
  const result = expectMessage(bob, { destination: '/topic/greetings', payload: { content: 'Hello, Ann!' } });
  t.ok(result.pass, result.message);
  const none = expectNoMessage(ann);
  t.ok(none.pass, none.message);
});

t.test('an asynchronous handler is waited for, path variables and the user included', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect({ user: 'ann' });
  const room = await ann.subscribe('/topic/rooms/**');
  await ann.send('/app/rooms/stable/say', 'hay!');
  await ann.send('/app/rooms/stable/say', 'oats!');
  const said = (text: string): object => ({ room: 'stable', from: 'ann', text });
  assertMatch(expectPayloads(ann, room, [said('hay!'), said('oats!')]));
  t.equal((await ann.nextMessage(room)).destination, '/topic/rooms/stable/say');
  t.strictSame((await ann.nextMessage(room)).payload, said('oats!'));
});

t.test('a subscribe handler answers its subscription', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect();
  const price = await ann.subscribe('/app/prices/OATS');
  t.strictSame((await ann.nextMessage(price)).payload, { symbol: 'OATS', price: 1 });
});

t.test('replies to a user reach that user alone', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const [ann, bob] = [await test.connect({ user: 'ann' }), await test.connect({ user: 'bob' })];
  await Promise.all([ann, bob].map((client) => client.subscribe('/user/queue/mine')));
  await ann.send('/app/mine', 'a secret');
  const received = (client: TestClient): boolean => expectMessage(client, { payload: 'a secret' }).pass;
  t.strictSame([received(ann), received(bob)], [true, false]);
});

t.test('what the application sends and the network does is part of a test', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect({ user: 'ann' });
  const news = await ann.subscribe('/topic/news');
  await test.broker.convertAndSend('/topic/news', { n: 1 });
  await test.settle();
  assertMatch(expectPayloads(ann, news, [{ n: 1 }]));
  t.equal(test.broker.users.count(), 1);
  await ann.drop();
  t.equal(test.broker.users.count(), 0);
  t.ok(test.log.some(({ message }) => message === 'connected'));
});

t.test('nextMessage waits for what a promise of the application sends later', async (t) => {
  const test = await createTestBroker();
  const ann = await test.connect();
  const news = await ann.subscribe('/topic/news');
  void delay(20).then(() => test.broker.convertAndSend('/topic/news', 'late'));
  t.equal((await ann.nextMessage(news)).text, 'late');
});

t.test('a payload that does not fit is an error the client sees when it asks for a receipt', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect();
  await ann.send('/app/hello', { nome: 'Ann' }, { receipt: 'r-1' });
  assertMatch(expectError(ann, 'payload-invalid'));
  t.notOk(expectReceipt(ann, 'r-1').pass);
  assertMatch(expectClosed(ann, 'refused'));
});

t.test('a handler that hangs meets its deadline in virtual time', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers });
  const ann = await test.connect();
  const sent = ann.send('/app/hang', 'x', { receipt: 'r-1' });
  await test.advance(29_999);
  t.notOk(expectError(ann).pass);
  await test.advance(1);
  await sent;
  assertMatch(expectError(ann, 'handler-timeout'));
});

t.test('waiting for virtual time that nobody moves ends with an explanation', async (t) => {
  const test = await createTestBroker({ handlers: registerHandlers, patienceMs: 20 });
  const ann = await test.connect();
  await t.rejects(ann.send('/app/hang', 'x'), { message: /^SEND to \/app\/hang is still being worked on.*20 ms/ });
  await t.rejects(test.settle(), { message: /^a handler is still at work/ });
  const bob = await test.connect();
  const news = await bob.subscribe('/topic/news');
  await t.rejects(bob.nextMessage(news), { message: /^no message came on \/topic\/news \(waited/ });
});

t.test('heart-beats that do not come end the session in virtual time', async (t) => {
  const test = await createTestBroker();
  const ann = await test.connect({ headers: { 'heart-beat': '5000,0' } });
  await test.advance(9_000);
  t.equal(ann.closedWith, null);
  await test.advance(20_000);
  assertMatch(expectClosed(ann, 'heart-beat-timeout'));
});

t.test('users of the test are the only ones when they are given', async (t) => {
  const users = { ann: { roles: ['groom'], passcode: 'oats' }, bob: {} };
  const test = await createTestBroker({ users });
  const ann = await test.connect({ user: 'ann', passcode: 'oats' });
  t.equal(ann.connected?.headers.get('user-name'), 'ann');
  t.strictSame(test.broker.users.get('ann')?.sessions[0]?.user?.roles, ['groom']);
  await test.connect({ user: 'bob', passcode: 'any' });
  await t.rejects(test.connect({ user: 'ann', passcode: 'hay' }), { code: 'authentication-failed' });
  await t.rejects(test.connect({ user: 'toString' }), ConnectRefusedError);
});

t.test('an application tests its own authenticator and authorizer', async (t) => {
  const test = await createTestBroker({
    authenticator: {
      async authenticate({ handshake, headers }) {
        await delay(1);
        if (headers.get('token') !== 'good') throw new BrokerError('authentication-failed', 'no good');
        return { name: handshake?.url ?? null, roles: [] };
      },
    },
    authorizer: { isAllowed: ({ action }) => action !== 'subscribe' },
  });
  await t.rejects(test.connect(), { code: 'authentication-failed', message: /no good/ });
  const ann = await test.connect({ headers: { token: 'good' }, handshake: { url: '/ws?u=ann', headers: {} } });
  t.equal(ann.connected?.headers.get('user-name'), '/ws?u=ann');
  const news = await ann.subscribe('/topic/news');
  await t.rejects(ann.nextMessage(news), { message: /no message came.*ERROR.*access-denied/ });
});

t.test('queues, acknowledgements and transactions are the real ones', async (t) => {
  const test = await createTestBroker();
  const sender = await test.connect();
  await sender.frame('BEGIN', { transaction: 't1' });
  await sender.send('/queue/jobs', 'one', { transaction: 't1' });
  await sender.send('/queue/jobs', 'two', { transaction: 't1', receipt: 'joined' });
  t.ok(expectReceipt(sender, 'joined').pass);
  for (const version of ['1.0', '1.1', '1.2'] as const) {
    const worker = await test.connect({ version });
    const jobs = await worker.subscribe('/queue/jobs', { ack: 'client-individual' });
    if (version === '1.0') {
      t.ok(expectNoMessage(worker).pass);
      await sender.frame('COMMIT', { transaction: 't1' });
    }
    const [one, two] = [await worker.nextMessage(jobs), await worker.nextMessage(jobs)];
    t.strictSame([one.text, two.text], ['one', 'two'], version);
    if (version === '1.2') {
      await worker.ack(one);
      await worker.nack(two);
    }
    await worker.unsubscribe(jobs);
    t.strictSame(worker.errors(), []);
    await worker.disconnect({ receipt: 'bye' });
    t.ok(expectReceipt(worker, 'bye').pass);
  }
});

t.test('stop ends every connection', async (t) => {
  const test = await createTestBroker();
  const [ann, bob] = [await test.connect(), await test.connect()];
  await test.stop();
  for (const client of [ann, bob]) t.equal(client.closedWith, 'server-shutdown');
  await t.rejects(test.connect(), { message: 'the broker takes no more connections' });
});
