import t from 'tap';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

t.test('a handler registered later is found by those who asked before', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/**');
  client.publish('/app/a/b', '');
  t.strictSame(client.bodies(), []);
  t.equal(fixture.broker.stats().messagesDropped, 1, 'S4.4');
  fixture.broker.message('/a/{x}', () => 'pattern');
  client.publish('/app/a/b', '');
  fixture.broker.message('/a/b', () => 'exact');
  client.publish('/app/a/b', '');
  t.strictSame(client.bodies(), ['pattern', 'exact']);
});

t.test('more paths than are remembered are found all the same', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  let calls = 0;
  fixture.broker.message('/n/{n}', ({ variables: { n } }) => {
    t.equal(n, String(calls++));
  });
  for (let k = 0; k < 10_050; k++) client.publish(`/app/n/${k}`, '');
  client.frames();
  t.equal(calls, 10_050);
});

t.test('a body may be kept: nothing is written over it', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  const kept: Buffer[] = [];
  fixture.broker.message('/keep', ({ body }) => void kept.push(body));
  for (const body of ['first', 'second']) {
    client.publish('/app/keep', body);
    client.frames();
  }
  t.strictSame(kept.map(String), ['first', 'second']);
});

t.test('handlers of a transaction run at COMMIT, in order, each waited for', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/h');
  const order: string[] = [];
  fixture.broker.message('/h', async ({ body }) => {
    order.push(`start ${body.toString()}`);
    await settle();
    order.push(`end ${body.toString()}`);
    return body.toString();
  });
  client.send(frameText('BEGIN', { transaction: 't' }));
  for (const body of ['1', '2']) client.publish('/app/h', body, { transaction: 't' });
  client.frames();
  t.strictSame(order, []);
  client.send(frameText('COMMIT', { transaction: 't', receipt: 'r' }));
  for (let k = 0; k < 6; k++) await settle();
  t.strictSame(order, ['start 1', 'end 1', 'start 2', 'end 2']);
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id') ?? frame.body.toString()),
    ['1', '2', 'r'],
  );
});

t.test('what a handler returns after its deadline goes nowhere', async (t) => {
  const fixture = new BrokerFixture({ handlers: { deadlineMs: 1_000 } });
  const client = fixture.connect();
  client.subscribe('s', '/topic/late');
  let finish: (value: string) => void = () => undefined;
  fixture.broker.message('/late', () => new Promise((resolve) => (finish = resolve)));
  client.publish('/app/late', '', { receipt: 'r' });
  fixture.clock.advance(1_000);
  await settle();
  const [error] = client.frames();
  t.strictSame([error?.command, header(error, 'code'), header(error, 'receipt-id')], ['ERROR', 'handler-timeout', 'r']);
  finish('late');
  await settle();
  t.equal(fixture.broker.stats().messagesIn, 0);
});

t.test("a reply that cannot go where it should is the error handler's", async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 1 }, compat: 'strict' });
  const client = fixture.connect();
  client.subscribe('s', '/topic/errors');
  fixture.broker.onError((error) => (error as { code: string }).code, { sendTo: '/topic/errors' });
  fixture.broker
    .message('/full', () => 'x', { sendTo: '/queue/nobody' })
    .message('/nowhere', () => 'x', { sendTo: '/nowhere' })
    .message('/long/{x}', () => 'x', { sendTo: `/topic/{x}${'y'.repeat(1_020)}` })
    .message('/unsayable', () => () => 'x');
  for (const path of ['/full', '/full', '/nowhere', '/long/z', '/unsayable']) client.publish(`/app${path}`, '');
  t.strictSame(client.bodies(), ['queue-full', 'destination-unknown', 'destination-invalid', 'payload-invalid']);
});
