import t from 'tap';
import { ReceiptOrder } from '../../broker/receipt-order.js';

function setUp() {
  const given: string[] = [];
  return { given, order: new ReceiptOrder((id) => given.push(id)) };
}

t.test('RECEIPTs are given in the order of their frames', async (t) => {
  const { given, order } = setUp();
  const first = order.owe('1').give;
  const second = order.owe('2').give;
  order.add('3');
  second();
  t.strictSame(given, []);
  first();
  t.strictSame(given, ['1', '2', '3']);
  t.ok(order.isEmpty);
});

t.test('a frame without receipt holds its place and gives none', async (t) => {
  const { given, order } = setUp();
  const silent = order.owe(undefined).give;
  order.add('2');
  t.strictSame(given, []);
  silent();
  t.strictSame(given, ['2']);
});

t.test('more headers of a RECEIPT wait with it', async (t) => {
  const given: unknown[] = [];
  const order = new ReceiptOrder((id, also) => given.push([id, also]));
  const { give } = order.owe('1');
  order.add('2', [['recovered', 'true']]);
  give();
  t.strictSame(given, [
    ['1', []],
    ['2', [['recovered', 'true']]],
  ]);
});

t.test('a refused frame gets none, and holds up nobody', async (t) => {
  const { given, order } = setUp();
  const refused = order.owe('1');
  order.add('2');
  refused.drop();
  t.strictSame(given, ['2']);
});

t.test('whoever waits goes on when everything is given', async (t) => {
  const { order } = setUp();
  await order.emptied();
  const { give } = order.owe('1');
  let isEmptied = false;
  const emptied = order.emptied().then(() => (isEmptied = true));
  await Promise.resolve();
  t.notOk(isEmptied);
  give();
  await emptied;
  t.ok(isEmptied);
});
