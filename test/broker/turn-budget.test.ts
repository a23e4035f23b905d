import t from 'tap';
import type { Clock } from '../../broker/ports.js';
import { TurnBudget, workload, WORTH_A_LOOK } from '../../broker/turn-budget.js';

/** Time passes within a turn, and turns end one by one. */
class FakeClock implements Clock {
  #nowMs = 1_000;
  #tasks: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  epochMs(): number {
    return this.#nowMs;
  }

  every(): () => void {
    throw new Error('nothing here is regular');
  }

  soon(task: () => void): void {
    this.#tasks.push(task);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  turn(): void {
    for (const task of this.#tasks.splice(0)) task();
  }

  get isIdle(): boolean {
    return this.#tasks.length === 0;
  }
}

function work(clock: FakeClock, ms: number): void {
  clock.advance(ms);
  workload.units += WORTH_A_LOOK;
}

t.beforeEach(() => {
  workload.units = 0;
});

t.test('frames go on while the turn is short', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  budget.begin();
  work(clock, 9);
  t.equal(budget.isSpent(), false);
  t.ok(clock.isIdle, 'nothing is planned for it');
});

t.test('the clock is not looked at for a little work', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  budget.begin();
  clock.advance(50);
  workload.units = WORTH_A_LOOK - 1;
  t.equal(budget.isSpent(), false);
});

t.test('a turn without a pause is one turn, whoever works in it', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  for (let k = 0; k < 3; k++) {
    budget.begin();
    work(clock, 4);
    t.equal(budget.isSpent(), k === 2);
  }
  clock.turn();
  t.equal(budget.isOver, false, 'the next turn has a budget of its own');
  clock.advance(5);
  budget.begin();
  work(clock, 6);
  t.equal(budget.isSpent(), false, 'and so has what comes after a pause');
});

t.test('who waits goes on in the order of asking, as long as the turn allows', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  const done: string[] = [];
  const task = (name: string, ms: number) => (): void => {
    done.push(name);
    clock.advance(ms);
  };
  budget.wait(task('a', 6));
  budget.wait(task('b', 6));
  budget.later(task('c', 1));
  t.equal(budget.waits, 2, 'work put off is nobody waiting');
  clock.turn();
  t.strictSame(done, ['a', 'b']);
  budget.wait(task('d', 0));
  clock.turn();
  t.strictSame(done, ['a', 'b', 'c', 'd']);
  clock.turn();
  t.ok(clock.isIdle);
});

t.test('one that throws does not take those behind it along', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  const done: string[] = [];
  budget.wait(() => {
    throw new Error('a fault');
  });
  budget.wait(() => done.push('b'));
  t.throws(() => {
    clock.turn();
  }, /a fault/);
  clock.turn();
  t.strictSame(done, ['b']);
});

t.test('work of many steps goes on in later turns, and others in between', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  const done: string[] = [];
  const steps = ['a', 'b', 'c', 'd', 'e'];
  const rest = budget.run(() => {
    done.push(steps.shift() ?? '');
    work(clock, 6);
    return steps.length > 0;
  });
  t.strictSame(done, ['a', 'b']);
  budget.wait(() => done.push('other'));
  clock.turn();
  t.equal(budget.isRunning, true);
  t.strictSame(done, ['a', 'b', 'c', 'd']);
  clock.turn();
  t.strictSame(done, ['a', 'b', 'c', 'd', 'other', 'e']);
  t.equal(budget.isRunning, false);
  await rest;
  clock.advance(20);
  t.equal(
    budget.run(() => false),
    undefined,
    'what fits is done at once',
  );
});

t.test('a step that throws ends its work, and whoever waits for it hears of it', async (t) => {
  const clock = new FakeClock();
  const budget = new TurnBudget(clock, 10);
  let steps = 0;
  const rest = budget.run(() => {
    work(clock, 20);
    if (++steps === 2) throw new Error('a fault');
    return true;
  });
  clock.turn();
  await t.rejects(rest ?? Promise.resolve(), /a fault/);
  t.equal(budget.isRunning, false);
  clock.turn();
  t.equal(steps, 2);
});
