import t from 'tap';
import { NodeRates, Points } from '../../../../adapters/admin/console/page/samples.js';

const counters = (framesOut: number, current = 1) => ({
  connections: { current },
  subscriptions: 2 * current,
  framesIn: framesOut / 2,
  framesOut,
  messagesIn: framesOut / 4,
});

t.test('points are kept up to a number, oldest first', async (t) => {
  const points = new Points(['a', 'b'] as const);
  for (let k = 0; k < 1_000; k++) points.add(k * 1_000, { a: k, b: -k });
  t.strictSame([points.of('time').length, points.of('a').length, points.of('b').length], [300, 300, 300]);
  t.strictSame([points.of('time')[0], points.of('a')[0], points.last('b')], [700, 700, -999]);
});

t.test('counters become rates, of each node and of all together', async (t) => {
  const rates = new NodeRates();
  rates.add('a', 0, counters(0));
  t.equal(rates.rates, null, 'one tick is no rate');
  rates.add('a', 2_000, counters(400));
  rates.add('b', 2_100, counters(0, 10));
  rates.add('b', 4_100, counters(40, 10));
  t.match(rates.rates, { framesOut: 220, framesIn: 110, messagesIn: 55, sessions: 11, subscriptions: 22 });
  t.strictSame(
    rates.nodes.map(({ node, points }) => [node, points.last('framesOut')]),
    [
      ['a', 200],
      ['b', 20],
    ],
  );
  t.strictSame(rates.together.of('framesOut'), [200, 220]);
});

t.test('a node that began anew has no negative rate, and what is told twice is no tick', async (t) => {
  const rates = new NodeRates();
  rates.add('a', 0, counters(1_000));
  rates.add('a', 1_000, counters(100));
  t.equal(rates.rates?.framesOut, 0);
  rates.add('a', 1_000, counters(900));
  t.equal(rates.together.of('time').length, 1);
});

t.test('a node that is silent counts no more, and so many nodes are kept as are read', async (t) => {
  const rates = new NodeRates();
  for (let k = 0; k < 100; k++) rates.add(`node ${String(k)}`, 0, counters(0));
  t.equal(rates.nodes.length, 64);
  rates.add('node 0', 40_000, counters(400));
  t.strictSame(
    rates.nodes.map(({ node }) => node),
    ['node 0'],
  );
  rates.forget('node 0');
  t.equal(rates.rates, null);
});
