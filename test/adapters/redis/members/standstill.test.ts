import t from 'tap';
import { Standstill } from '../../../../adapters/redis/members/standstill.js';
import { createDeferred } from '../../../../adapters/redis/connection/deferred.js';
import { FakeClock } from '../../../helpers/fake-clock.js';

const LEASE_MS = 6_000;

function watched(): { clock: FakeClock; standstill: Standstill; asked: number[]; answer: () => Promise<void> } {
  const clock = new FakeClock();
  const asked: number[] = [];
  let answers = createDeferred();
  const recover = (stoodMs: number): Promise<void> => {
    asked.push(stoodMs);
    answers = createDeferred();
    return answers.promise;
  };
  const standstill = new Standstill({ clock, leaseMs: LEASE_MS, recover });
  standstill.start();
  standstill.renewed(clock.nowMs());
  const answer = async (): Promise<void> => {
    standstill.renewed(clock.nowMs());
    const late = standstill.caughtUp();
    answers.resolve();
    await late;
  };
  return { clock, standstill, asked, answer };
}

t.test('a process that runs is not asked, however long its lease is over: Redis is away', (t) => {
  const { clock, standstill, asked } = watched();
  clock.advance(10 * LEASE_MS);
  t.ok(standstill.isLeaseOver);
  t.equal(standstill.caughtUp(), undefined);
  t.strictSame(asked, []);
  t.end();
});

t.test('one that stood still within its lease need not ask', (t) => {
  const { clock, standstill, asked } = watched();
  clock.stall(LEASE_MS - 1);
  t.equal(standstill.caughtUp(), undefined);
  t.strictSame(asked, []);
  t.end();
});

t.test('one that stood still beyond its lease asks once, and everybody waits for the same', async (t) => {
  const { clock, standstill, asked, answer } = watched();
  clock.advance(1_000);
  clock.stall(LEASE_MS);
  const late = standstill.caughtUp();
  t.ok(late instanceof Promise, 'noticed by whatever comes first');
  clock.stall(2 * LEASE_MS);
  t.equal(standstill.caughtUp(), late);
  await answer();
  t.strictSame(asked, [LEASE_MS]);
  t.equal(standstill.caughtUp(), undefined);
  clock.stall(LEASE_MS);
  t.ok(standstill.caughtUp(), 'and again');
  await answer();
});

t.test('the part of a lease that is over when it stops counts too', (t) => {
  const { clock, standstill } = watched();
  clock.advance(LEASE_MS - 2_000);
  clock.stall(2_000);
  t.ok(standstill.caughtUp());
  standstill.stop();
  t.end();
});
