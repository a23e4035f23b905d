import t, { type Test } from 'tap';
import type { TapFilter, TappedFrame } from '../../../broker/index.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';

interface Tapped {
  readonly lines: string[];
  readonly missed: { count: number };
  readonly stop: () => void;
}

/** Each frame as one line of what tells it from the others. */
function tap(fixture: BrokerFixture, filter: Partial<TapFilter> = {}): Tapped {
  const lines: string[] = [];
  const missed = { count: 0 };
  const stop = fixture.broker.operations.tapFrames(
    { perSecond: 1_000, ...filter },
    {
      onFrame: (frame) => lines.push(lineOf(frame)),
      onMissed: () => {
        missed.count++;
      },
    },
  );
  return { lines, missed, stop };
}

function lineOf({ direction, user, command, headers, body }: TappedFrame): string {
  const shown = headers.map(([name, value]) => `${name}=${value}`).join(' ');
  return [direction, user ?? '-', command, shown, body.toString()].join('|');
}

t.test('frames are seen as they come and go, in order, on all paths', async (t) => {
  const fixture = new BrokerFixture({ serverHeader: false });
  const tapped = tap(fixture);
  const ann = fixture.connect({ login: 'ann', passcode: 'secret' });
  ann.subscribe('a', '/queue/q', { ack: 'client', receipt: 'r1' });
  ann.publish('/queue/q', 'hello');
  fixture.clock.turn();
  const session = [...fixture.broker.operations.sessions()][0]?.id ?? '';
  t.match(tapped.lines, [
    /^in\|-\|CONNECT\|.*login=ann passcode=\*\*\*/,
    `out|ann|CONNECTED|version=1.2 heart-beat=0,0 session=${session} user-name=ann|`,
    /^in\|ann\|SUBSCRIBE\|.*destination=\/queue\/q/,
    /^in\|ann\|SEND\|destination=\/queue\/q.*\|hello$/,
    'out|ann|RECEIPT|receipt-id=r1|',
    /^out\|ann\|MESSAGE\|subscription=a message-id=n-\d+ ack=1-1 redelivered=false destination=\/queue\/q.*\|hello$/,
  ]);
  t.equal(ann.frames().length, 2, 'and they do arrive');
});

t.test('a filter leaves out what is not meant', async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect({ login: 'ann' });
  const bob = fixture.connect({ login: 'bob' });
  ann.subscribe('a', '/topic/a/b');
  const [first] = fixture.broker.operations.sessions();
  const filters: readonly (readonly [Partial<TapFilter>, number])[] = [
    [{}, 4],
    [{ user: 'ann' }, 1],
    [{ user: 'bob' }, 3],
    [{ user: 'nobody' }, 0],
    [{ sessionId: first?.id }, 1],
    [{ direction: 'in' }, 3],
    [{ direction: 'out' }, 1],
    [{ commands: new Set(['MESSAGE']) }, 1],
    [{ commands: new Set(['SEND', 'MESSAGE']) }, 3],
    [{ destination: '/topic/a/b' }, 2],
    [{ destination: '/topic/**' }, 3],
    [{ destination: '/topic/*' }, 1],
    [{ destination: '/queue/**' }, 0],
  ];
  const taps = filters.map(([filter]) => tap(fixture, filter));
  bob.publish('/topic/a/b', 'x');
  bob.publish('/topic/c', 'y');
  bob.send('BEGIN\ntransaction:t\n\n\0');
  fixture.clock.turn();
  for (const [index, [filter, count]] of filters.entries()) {
    t.equal(taps[index]?.lines.length, count, JSON.stringify(filter));
    t.equal(taps[index]?.missed.count, 0);
  }
});

t.test('more than a tap may show is counted, each second anew', async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect();
  const tapped = tap(fixture, { perSecond: 2 });
  for (const body of ['1', '2', '3', '4', '5']) ann.publish('/topic/t', body);
  t.equal(tapped.lines.length, 2);
  t.equal(tapped.missed.count, 3);
  fixture.clock.advance(1_000);
  ann.publish('/topic/t', '6');
  t.equal(tapped.lines.length, 3);
});

function stateOf({ broker }: BrokerFixture): number {
  return broker.operations.tapCount;
}

t.test('with the last tap everything is as before', async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect();
  ann.subscribe('a', '/topic/t');
  const first = tap(fixture);
  const second = tap(fixture);
  t.equal(stateOf(fixture), 2);
  first.stop();
  ann.publish('/topic/t', 'x');
  fixture.clock.turn();
  t.equal(first.lines.length, 0);
  t.equal(second.lines.length, 2);
  second.stop();
  second.stop();
  t.equal(stateOf(fixture), 0);
  ann.publish('/topic/t', 'y');
  t.equal(second.lines.length, 2);
  t.strictSame(ann.bodies(), ['x', 'y']);
});

t.test('what interceptors made of a frame is what is seen', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.interceptOutbound((frame) => {
    if (frame.command === 'MESSAGE') return { ...frame, body: Buffer.from('changed') };
    return frame;
  });
  const ann = fixture.connect();
  ann.subscribe('a', '/topic/t');
  const tapped = tap(fixture, { direction: 'out' });
  ann.publish('/topic/t', 'x');
  fixture.clock.turn();
  t.match(tapped.lines, [/^out\|.*\|MESSAGE\|.*\|changed$/]);
  tapped.stop();
  ann.publish('/topic/t', 'x');
  t.strictSame(ann.bodies(), ['changed', 'changed']);
});

t.test('a pattern that is none is refused and leaves nothing behind', async (t: Test) => {
  const fixture = new BrokerFixture();
  t.throws(() => tap(fixture, { destination: '/topic/{x:(a)}' }), { code: 'destination-invalid' });
  t.equal(stateOf(fixture), 0);
});
