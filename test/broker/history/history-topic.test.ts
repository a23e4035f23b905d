import t from 'tap';
import type { HistoryRule } from '../../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';

const ALL: readonly HistoryRule[] = [{ pattern: '/topic/**' }];

function fixtureWith(rule: Partial<HistoryRule> = {}): BrokerFixture {
  return new BrokerFixture({ history: [{ pattern: '/topic/kept/**', ...rule }] });
}

/** What arrived, in short: `RECEIPT recovered=true offset=2`, or `5 x` and `recovered=…` of a MESSAGE. */
function heard(client: FixtureClient): string[] {
  return client.frames().map((frame) => {
    const recovered = header(frame, 'recovered');
    const note = recovered === undefined ? '' : ` recovered=${recovered}`;
    if (frame.command !== 'MESSAGE') return `${frame.command}${note} offset=${header(frame, 'offset') ?? 'none'}`;
    return `${header(frame, 'offset') ?? 'none'} ${frame.body.toString()}${note}`;
  });
}

function publishAll(client: FixtureClient, destination: string, ...bodies: readonly string[]): void {
  for (const body of bodies) client.publish(destination, body);
}

function only(frames: readonly ServerFrame[]): ServerFrame {
  const [frame] = frames;
  if (frame === undefined || frames.length > 1) throw new Error(`${frames.length} frames`);
  return frame;
}

/** Epoch and offset that RECEIPT tells a new subscriber. */
function positionOf(client: FixtureClient, destination: string): { readonly epoch: string; readonly offset: string } {
  client.subscribe('position', destination, { receipt: 'r' });
  const receipt = only(client.frames());
  client.send(frameText('UNSUBSCRIBE', { id: 'position' }));
  return { epoch: header(receipt, 'epoch') ?? '', offset: header(receipt, 'offset') ?? '' };
}

t.test('every message of a topic with a history carries its place, counted from 1', async (t) => {
  const fixture = fixtureWith();
  const client = fixture.connect();
  client.subscribe('s', '/topic/kept/a');
  client.subscribe('p', '/topic/kept/*');
  publishAll(client, '/topic/kept/a', 'one', 'two');
  publishAll(client, '/topic/kept/b', 'other');
  const frames = client.frames();
  t.strictSame(
    frames.map((frame) => [header(frame, 'subscription'), header(frame, 'offset'), frame.body.toString()]),
    [
      ['s', '1', 'one'],
      ['p', '1', 'one'],
      ['s', '2', 'two'],
      ['p', '2', 'two'],
      ['p', '1', 'other'],
    ],
  );
  t.equal(new Set(frames.map((frame) => header(frame, 'epoch'))).size, 1);
  t.match(header(frames[0], 'epoch'), /^[\w-]{12}$/);
  t.strictSame(
    frames.map((frame) => header(frame, 'recovered')),
    Array(5).fill(undefined),
    'nobody asked',
  );
});

t.test('what a sender says of place and recovery is not relayed', async (t) => {
  const fixture = fixtureWith();
  const client = fixture.connect();
  client.subscribe('s', '/topic/kept/a');
  const own = { epoch: 'mine', offset: '77', recovered: 'false', x: '1' };
  client.publish('/topic/kept/a', 'plain', own);
  client.send(frameText('SEND', { destination: '/topic/kept/a', ...own, receipt: 'r', 'content-length': '3' }, 'a\0b'));
  for (const frame of client.frames().filter(({ command }) => command === 'MESSAGE')) {
    const names = frame.headers.map(([name]) => name);
    t.strictSame(names.filter((name) => name === 'epoch' || name === 'offset').length, 2);
    t.not(header(frame, 'epoch'), 'mine');
    t.equal(header(frame, 'recovered'), undefined);
    t.equal(header(frame, 'x'), '1');
  }
});

t.test('topics without a rule carry nothing and relay what the sender says', async (t) => {
  const client = fixtureWith().connect();
  client.subscribe('s', '/topic/plain', { receipt: 'r' });
  client.publish('/topic/plain', 'x', { epoch: 'mine' });
  const [receipt, message] = client.frames();
  t.strictSame(receipt?.headers, [['receipt-id', 'r']]);
  t.equal(header(message, 'epoch'), 'mine');
  t.equal(header(message, 'offset'), undefined);
});

t.test('RECEIPT of SUBSCRIBE tells the place behind which messages are live', async (t) => {
  const client = fixtureWith().connect();
  client.subscribe('a', '/topic/kept/a', { receipt: '1' });
  publishAll(client, '/topic/kept/a', 'x', 'y');
  client.subscribe('b', '/topic/kept/a', { receipt: '2' });
  client.subscribe('c', '/topic/kept/*', { receipt: '3' });
  const receipts = client.frames().filter(({ command }) => command === 'RECEIPT');
  t.strictSame(
    receipts.map((frame) => header(frame, 'offset')),
    ['0', '2', undefined],
    'a pattern has no place of its own',
  );
  t.equal(header(receipts[0], 'epoch'), header(receipts[1], 'epoch'));
});

t.test('a resumed subscription gets what it missed, then what is live', async (t) => {
  const fixture = fixtureWith();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  const { epoch } = positionOf(client, '/topic/kept/a');
  publishAll(sender, '/topic/kept/a', 'a', 'b', 'c', 'd');
  client.subscribe('s', '/topic/kept/a', { receipt: 'r', 'resume-epoch': epoch, 'resume-offset': '2' });
  publishAll(sender, '/topic/kept/a', 'e');
  t.strictSame(heard(client), ['RECEIPT recovered=true offset=4', '3 c recovered=true', '4 d', '5 e']);
  t.match(fixture.broker.stats().history, { recovered: 1, unrecovered: 0, gaps: 0 });
});

t.test('when nothing was missed the first live message says so', async (t) => {
  const fixture = fixtureWith();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  const { epoch } = positionOf(client, '/topic/kept/a');
  publishAll(sender, '/topic/kept/a', 'a');
  client.subscribe('s', '/topic/kept/a', { 'resume-epoch': epoch, 'resume-offset': '1' });
  t.strictSame(heard(client), []);
  publishAll(sender, '/topic/kept/a', 'b', 'c');
  t.strictSame(heard(client), ['2 b recovered=true', '3 c']);
});

t.test('a position that cannot be resumed is answered so, and only live messages follow', async (t) => {
  for (const [rule, position] of [
    [{}, { 'resume-epoch': 'other', 'resume-offset': '1' }],
    [{}, { 'resume-epoch': '', 'resume-offset': '4' }],
    [{ maxMessages: 2 }, { 'resume-epoch': '', 'resume-offset': '0' }],
  ] as const) {
    const fixture = fixtureWith(rule);
    const [sender, client] = [fixture.connect(), fixture.connect()];
    const { epoch } = positionOf(client, '/topic/kept/a');
    publishAll(sender, '/topic/kept/a', 'a', 'b', 'c');
    const asked = { ...position, 'resume-epoch': position['resume-epoch'] === '' ? epoch : position['resume-epoch'] };
    client.subscribe('s', '/topic/kept/a', { receipt: 'r', ...asked });
    publishAll(sender, '/topic/kept/a', 'd', 'e');
    t.strictSame(heard(client), ['RECEIPT recovered=false offset=3', '4 d recovered=false', '5 e']);
    t.match(fixture.broker.stats().history, { recovered: 0, unrecovered: 1 });
  }
});

t.test('with a replay asked for too, that is done where the position cannot be resumed', async (t) => {
  const fixture = fixtureWith({ maxMessages: 3 });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  const { epoch } = positionOf(client, '/topic/kept/a');
  publishAll(sender, '/topic/kept/a', 'a', 'b', 'c', 'd');
  const both = { 'resume-epoch': epoch, replay: 'last=2' };
  client.subscribe('s', '/topic/kept/a', { ...both, 'resume-offset': '0', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=4', '3 c recovered=false', '4 d']);
  client.subscribe('u', '/topic/kept/a', { ...both, 'resume-offset': '1', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=true offset=4', '2 b recovered=true', '3 c', '4 d']);
});

t.test('a replay without a position tells whether it is as long as it was asked to be', async (t) => {
  const fixture = fixtureWith({ maxMessages: 3 });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publishAll(sender, '/topic/kept/a', 'a', 'b');
  client.subscribe('1', '/topic/kept/a', { replay: 'last=5', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=true offset=2', '1 a recovered=true', '2 b']);
  client.send(frameText('UNSUBSCRIBE', { id: '1' }));
  publishAll(sender, '/topic/kept/a', 'c', 'd');
  client.subscribe('2', '/topic/kept/a', { replay: 'last=5', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=4', '2 b recovered=false', '3 c', '4 d']);
  client.subscribe('3', '/topic/kept/a', { replay: 'all', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=4', '2 b recovered=false', '3 c', '4 d']);
  client.subscribe('4', '/topic/kept/a', { replay: 'last-value', receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT recovered=true offset=4', '4 d recovered=true']);
});

t.test('the last value of each key comes in the order of publication', async (t) => {
  const fixture = fixtureWith({ keyHeader: 'symbol' });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  for (const [symbol, body] of [
    ['x', '1'],
    ['y', '1'],
    ['x', '2'],
    ['z', '1'],
  ] as const) {
    sender.publish('/topic/kept/a', symbol + body, { symbol });
  }
  client.subscribe('s', '/topic/kept/a', { replay: 'last-value' });
  sender.publish('/topic/kept/a', 'y2', { symbol: 'y' });
  t.strictSame(heard(client), ['2 y1 recovered=true', '3 x2', '4 z1', '5 y2']);
});

t.test('a pattern replays each topic by itself, merged in the order of publication', async (t) => {
  const fixture = fixtureWith();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  for (const [topic, body] of ['a1', 'b1', 'a2', 'c1', 'a3', 'b2'].map((text) => [text.slice(0, 1), text] as const)) {
    sender.publish(`/topic/kept/${topic}`, body);
  }
  publishAll(sender, '/topic/plain', 'nothing is kept of this');
  client.subscribe('1', '/topic/kept/*', { replay: 'last=2', receipt: 'r' });
  client.subscribe('2', '/topic/**', { replay: 'last-value' });
  t.strictSame(heard(client), [
    'RECEIPT recovered=true offset=none',
    '1 b1 recovered=true',
    '2 a2',
    '1 c1',
    '3 a3',
    '2 b2',
    '1 c1 recovered=true',
    '3 a3',
    '2 b2',
  ]);
  publishAll(sender, '/topic/plain', 'x');
  publishAll(sender, '/topic/kept/new', 'y');
  t.strictSame(heard(client), ['none x', '1 y', '1 y']);
});

t.test('a pattern over nothing that is kept cannot promise anything', async (t) => {
  const fixture = fixtureWith();
  const client = fixture.connect();
  client.subscribe('1', '/topic/*', { replay: 'all', receipt: 'r' });
  publishAll(client, '/topic/plain', 'x', 'y');
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=none', 'none x recovered=false', 'none y']);
});

t.test('positions are of single topics: with a pattern they are refused', async (t) => {
  const position = { 'resume-epoch': 'e', 'resume-offset': '1' };
  for (const headers of [position, { ...position, replay: 'last=1' }, { 'x-stream-offset': 'offset=5' }]) {
    const client = fixtureWith().connect();
    client.subscribe('s', '/topic/kept/*', headers);
    t.equal(client.error(), 'header-invalid');
  }
});

t.test('where nothing is kept the answer is false', async (t) => {
  const asked = { 'resume-epoch': 'e', 'resume-offset': '1', receipt: 'r' };
  const fixture = fixtureWith();
  const client = fixture.connect({ login: 'ann' });
  client.subscribe('t', '/topic/plain', asked);
  publishAll(client, '/topic/plain', 'x', 'y');
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=none', 'none x recovered=false', 'none y']);
  for (const destination of ['/queue/q', '/user/queue/q', '/nowhere']) {
    client.subscribe(destination, destination, asked);
    t.strictSame(heard(client), ['RECEIPT recovered=false offset=none'], destination);
  }
  publishAll(client, '/queue/q', 'x');
  t.strictSame(heard(client), ['none x'], 'a queue keeps its messages by itself');
});

t.test('a queue in mode broadcast can keep a history; one that deals messages out does not', async (t) => {
  const fixture = new BrokerFixture({
    history: [{ pattern: '/queue/**' }],
    queues: [{ pattern: '/queue/fan/**', mode: 'broadcast' }],
  });
  const client = fixture.connect();
  for (const queue of ['/queue/fan/a', '/queue/work']) {
    client.publish(queue, 'x');
    client.subscribe(queue, queue, { replay: 'all' });
  }
  t.strictSame(heard(client), ['1 x recovered=true', 'none x']);
});

t.test('messages of user destinations have no place, whatever the rules say', async (t) => {
  const fixture = new BrokerFixture({ history: [{ pattern: '/**' }] });
  const client = fixture.connect({ login: 'ann' });
  client.subscribe('s', '/user/queue/q');
  client.publish('/user/ann/queue/q', 'x');
  t.strictSame(heard(client), ['none x']);
});

t.test('a selector is asked of what is replayed too', async (t) => {
  const fixture = new BrokerFixture({ history: ALL });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  for (let k = 1; k <= 6; k++) sender.publish('/topic/a', `m${k}`, { even: k % 2 === 0 ? 'yes' : 'no' });
  client.subscribe('s', '/topic/a', { replay: 'last=4', selector: `even = 'yes'` });
  sender.publish('/topic/a', 'm7', { even: 'no' });
  sender.publish('/topic/a', 'm8', { even: 'yes' });
  t.strictSame(heard(client), ['4 m4 recovered=true', '6 m6', '8 m8']);
});

t.test('messages of a transaction take their places at COMMIT, in order; ABORT leaves none', async (t) => {
  const fixture = new BrokerFixture({ history: ALL });
  const [client, other] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/topic/a');
  for (const transaction of ['t', 'u']) {
    client.send(frameText('BEGIN', { transaction }));
    client.publish('/topic/a', `${transaction}1`, { transaction });
    client.publish('/topic/a', `${transaction}2`, { transaction });
  }
  other.publish('/topic/a', 'before');
  client.send(frameText('ABORT', { transaction: 'u' }));
  client.send(frameText('COMMIT', { transaction: 't' }));
  other.publish('/topic/a', 'behind');
  t.strictSame(heard(client), ['1 before', '2 t1', '3 t2', '4 behind']);
});

t.test('a durable subscription keeps its own place: its messages carry none', async (t) => {
  const fixture = new BrokerFixture({ history: ALL });
  const client = fixture.connect();
  client.subscribe('d', '/topic/a', { durable: 'true', receipt: '1', 'resume-epoch': 'e', 'resume-offset': '1' });
  client.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'x', { epoch: 'forged', offset: '9' });
  const [receipt, ...messages] = client.frames();
  t.equal(header(receipt, 'recovered'), 'false');
  t.strictSame(
    messages
      .map((frame) => [header(frame, 'subscription'), header(frame, 'offset'), header(frame, 'epoch') === 'forged'])
      .sort(),
    [
      ['d', undefined, false],
      ['s', '1', false],
    ],
  );
});

t.test('a first message that gives way to newer ones would take the answer with it, so it does not', async (t) => {
  const policies = [{ pattern: '/topic/**', policy: 'latest-per-key' as const }];
  const fixture = new BrokerFixture({ history: ALL, outbox: { highWaterBytes: 10, policies } });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  client.connection.freeze();
  client.subscribe('s', '/topic/a', { 'resume-epoch': 'x', 'resume-offset': '1', receipt: 'r' });
  fixture.clock.turn();
  publishAll(sender, '/topic/a', 'a', 'b', 'c', 'd');
  client.connection.thaw();
  t.strictSame(heard(client), ['RECEIPT recovered=false offset=0', '1 a recovered=false', '4 d']);
});

t.test('outbound interceptors see the answer', async (t) => {
  const fixture = new BrokerFixture({ history: ALL });
  const seen: string[] = [];
  fixture.broker.interceptOutbound((frame) => {
    seen.push(`${frame.command} ${frame.headers.get('recovered') ?? ''} ${frame.headers.get('offset') ?? ''}`);
    return frame;
  });
  const client = fixture.connect();
  client.publish('/topic/a', 'x');
  client.subscribe('s', '/topic/a', { replay: 'all', ack: 'client', receipt: 'r' });
  client.publish('/topic/a', 'y');
  t.strictSame(heard(client), ['RECEIPT recovered=true offset=1', '1 x recovered=true', '2 y']);
  t.strictSame(seen.slice(1), ['RECEIPT true 1', 'MESSAGE true 1', 'MESSAGE  2']);
});

t.test('a message that an interceptor publishes behind the RECEIPT is not lost', async (t) => {
  const fixture = new BrokerFixture({ history: ALL });
  const client = fixture.connect();
  fixture.broker.interceptOutbound((frame) => {
    if (frame.command === 'RECEIPT') void fixture.broker.convertAndSend('/topic/a', 'from the interceptor');
    return frame;
  });
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  t.strictSame(heard(client), ['RECEIPT offset=0', '1 from the interceptor']);
});

t.test('clients of each version resume', async (t) => {
  for (const version of ['1.0', '1.1', '1.2']) {
    const fixture = fixtureWith();
    const client = fixture.connect({ 'accept-version': version });
    const { epoch } = positionOf(client, '/topic/kept/a');
    publishAll(client, '/topic/kept/a', 'a', 'b');
    client.subscribe('s', '/topic/kept/a', { 'resume-epoch': epoch, 'resume-offset': '1', receipt: 'r' });
    t.strictSame(heard(client), ['RECEIPT recovered=true offset=2', '2 b recovered=true'], version);
  }
});
