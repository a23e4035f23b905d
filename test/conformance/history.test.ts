/** Conformance X-37, on raw sockets: positions in a stream of messages, RabbitMQ's way and hoofbeat's own. */
import t, { type Test } from 'tap';
import { openConnected, VERSIONS, type RawClient, type ReceivedFrame } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { sendAll } from '../helpers/settling.js';

const server = await startTestServer({
  http: false,
  broker: { history: [{ pattern: '/topic/stream/**' }, { pattern: '/topic/short/**', maxMessages: 2 }] },
});
const port = server.tcpPort;
t.teardown(() => server.stop());

let last = 0;
function newTopic(kind: 'stream' | 'short' | 'plain'): string {
  return `/topic/${kind}/${++last}`;
}

/** SUBSCRIBE with those headers, and its RECEIPT. */
async function subscribe(
  client: RawClient,
  destination: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ReceivedFrame> {
  client.sendFrame('SUBSCRIBE', { id: '0', destination, receipt: 'sub', ...headers });
  return client.receipt('sub');
}

async function receives(t: Test, client: RawClient, ...expected: readonly string[]): Promise<void> {
  const messages = await client.messages(expected.length);
  t.strictSame(
    messages.map((frame) => `${frame.get('offset') ?? 'none'} ${frame.text} ${frame.get('recovered') ?? ''}`.trim()),
    expected,
  );
  await client.fence();
}

t.test('X-37 x-stream-offset starts a subscription where it says', async (t) => {
  for (const version of VERSIONS) {
    const topic = newTopic('stream');
    const sender = await openConnected(t, port, version);
    sendAll(sender, topic, ['a', 'b', 'c']);
    await sender.fence();
    for (const [value, ...expected] of [
      ['first', '1 a true', '2 b', '3 c'],
      ['last', '3 c true'],
      ['next'],
      ['offset=2', '2 b true', '3 c'],
      ['offset=0', '1 a true', '2 b', '3 c'],
      ['timestamp=1600000000', '1 a true', '2 b', '3 c'],
      ['timestamp=99999999999'],
    ] as const) {
      const client = await openConnected(t, port, version);
      const receipt = await subscribe(client, topic, { 'x-stream-offset': value });
      t.equal(receipt.get('recovered'), 'true', value);
      t.equal(receipt.get('offset'), '3');
      await receives(t, client, ...expected);
    }
  }
});

t.test('X-37 a position in a stream that is kept no more is answered honestly', async (t) => {
  const topic = newTopic('short');
  const sender = await openConnected(t, port);
  sendAll(sender, topic, ['a', 'b', 'c']);
  await sender.fence();
  for (const value of ['first', 'offset=1', 'timestamp=1600000000']) {
    const client = await openConnected(t, port);
    t.equal((await subscribe(client, topic, { 'x-stream-offset': value })).get('recovered'), 'false', value);
    await receives(t, client, '2 b false', '3 c');
  }
  const client = await openConnected(t, port);
  client.sendFrame('SUBSCRIBE', { id: '0', destination: topic, 'x-stream-offset': 'middle' });
  await client.expectError('header-invalid');
});

t.test('a client that was cut resumes behind what it has seen, then live', async (t) => {
  for (const version of VERSIONS) {
    const topic = newTopic('stream');
    const sender = await openConnected(t, port, version);
    const before = await openConnected(t, port, version);
    const start = await subscribe(before, topic);
    t.equal(start.get('offset'), '0');
    sendAll(sender, topic, ['seen', 'seen too']);
    const [, seen] = await before.messages(2);
    before.destroy();
    sendAll(sender, topic, ['missed']);
    await sender.fence();

    const after = await openConnected(t, port, version);
    const position = { 'resume-epoch': seen?.get('epoch') ?? '', 'resume-offset': seen?.get('offset') ?? '' };
    const receipt = await subscribe(after, topic, position);
    t.equal(receipt.get('recovered'), 'true', version);
    t.equal(receipt.get('epoch'), start.get('epoch'));
    sendAll(sender, topic, ['live']);
    await receives(t, after, '3 missed true', '4 live');
  }
});

t.test('what cannot be resumed is answered recovered:false, where nothing is kept too', async (t) => {
  const [short, plain] = [newTopic('short'), newTopic('plain')];
  const sender = await openConnected(t, port);
  const before = await openConnected(t, port);
  const epoch = (await subscribe(before, short)).get('epoch') ?? '';
  sendAll(sender, short, ['a', 'b', 'c']);
  await sender.fence();
  for (const [topic, position, first] of [
    [short, { 'resume-epoch': epoch, 'resume-offset': '0' }, '4 live false'],
    [short, { 'resume-epoch': 'before.the.restart', 'resume-offset': '4' }, '5 live false'],
    [short, { 'resume-epoch': epoch, 'resume-offset': '99' }, '6 live false'],
    [plain, { 'resume-epoch': epoch, 'resume-offset': '3' }, 'none live false'],
  ] as const) {
    const client = await openConnected(t, port);
    t.equal((await subscribe(client, topic, position)).get('recovered'), 'false');
    sendAll(sender, topic, ['live']);
    await receives(t, client, first);
  }
});
