/** A bound for the sockets of all listeners of a process, and what is said when it is met. */
import t from 'tap';
import { SocketBudget } from '../../../adapters/transports/index.js';
import { socketsWithin } from '../../../adapters/open-files.js';

t.test('what is refused is told once, and again when there is room', (t) => {
  const told: boolean[] = [];
  const budget = new SocketBudget(10, (isFull) => told.push(isFull));
  for (let k = 0; k < 10; k++) t.equal(budget.take(), true);
  t.strictSame(told, []);
  t.equal(budget.take(), false);
  t.equal(budget.take(), false);
  t.strictSame(told, [true]);
  budget.give();
  t.strictSame(told, [true, false], 'a tenth is free');
  t.equal(budget.take(), true);
  t.equal(budget.take(), false);
  t.strictSame(told, [true, false, true]);
  t.end();
});

t.test('what open files leave for sockets', (t) => {
  t.equal(socketsWithin(20_000, 40), 20_000 - 40 - 64);
  t.equal(socketsWithin(100, 40), 30, 'half of what is free stays free');
  t.equal(socketsWithin(40, 40), 1, 'somebody is to see that it is so');
  t.end();
});
