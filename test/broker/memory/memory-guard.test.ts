import t from 'tap';
import { MemoryGuard, type Relief } from '../../../broker/memory/memory-guard.js';
import { DEFAULT_MEMORY_OPTIONS, type MemoryOptions } from '../../../broker/memory/memory-options.js';
import { resolveBrokerOptions } from '../../../broker/options.js';
import { type LogLine, recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { ScriptedMemory } from '../../helpers/scripted-memory.js';

/** A guard that watches what the test says; `tick` is one look. */
class Watched {
  readonly clock = new FakeClock();
  readonly memory = new ScriptedMemory();
  readonly log: LogLine[] = [];
  readonly done: string[] = [];
  readonly guard: MemoryGuard;

  constructor(options: Partial<MemoryOptions> = {}, relief?: Relief) {
    const standard: Relief = {
      drop: () => this.done.push('drop'),
      disconnectWorst: (stuckMs) => {
        this.done.push(`disconnect ${stuckMs}`);
        return 1;
      },
    };
    this.guard = new MemoryGuard(
      { ...DEFAULT_MEMORY_OPTIONS, ...options },
      {
        memory: this.memory,
        clock: this.clock,
        logger: recordingLogger(this.log, 'info'),
        relief: relief ?? standard,
        onLook: () => undefined,
      },
    );
    this.guard.start();
  }

  /** @returns the stage and what was done */
  tick(heapPart: number, looks = 1): [number, string[]] {
    this.memory.heapPart = heapPart;
    this.clock.advance(looks * 100);
    return [this.guard.stage, this.done.splice(0)];
  }
}

t.test('stages are reached one after the other, each does what those before it do, and is logged once', async (t) => {
  const watched = new Watched();
  const { guard, log } = watched;
  t.strictSame(watched.tick(0.83), [0, []]);
  t.equal(guard.problem, null);
  t.strictSame(watched.tick(0.84, 5), [1, []]);
  t.match(guard.problem, { code: 'memory-low', message: 'Memory is short: connections are refused' });
  t.strictSame([guard.isPausing, guard.isCurt], [false, false]);
  t.strictSame(watched.tick(0.9, 5), [2, []]);
  t.ok(guard.isPausing);
  t.strictSame(watched.tick(0.95), [3, ['drop']]);
  t.ok(guard.isCurt);
  t.strictSame(watched.tick(1), [4, ['drop', 'disconnect 0']]);
  const stages = log.map(({ fields }) => fields['stage']);
  t.strictSame(stages, ['refusing-connections', 'pausing-publishers', 'dropping-messages', 'disconnecting']);
  t.match(log[3]?.fields, { heapBytes: 800_000_000, heapBudgetBytes: 800_000_000, budgetBytes: 3_200_000_000 });
});

t.test('a stage is left when clearly less is taken, not at its edge', async (t) => {
  const watched = new Watched();
  t.equal(watched.tick(0.91)[0], 2);
  t.equal(watched.tick(0.88)[0], 2);
  t.equal(watched.tick(0.855)[0], 1);
  t.equal(watched.tick(0.81)[0], 1);
  t.equal(watched.tick(0.79)[0], 0);
  t.equal(watched.log.at(-1)?.message, 'memory is enough again');
  t.equal(watched.tick(1)[0], 4);
  t.equal(watched.tick(0.1)[0], 0, 'and all at once when there is no reason any more');
});

t.test('what is nearer to its end counts: the heap, or all of it', async (t) => {
  const watched = new Watched();
  watched.memory.totalPart = 0.92;
  t.equal(watched.tick(0.1)[0], 2);
  const small = new Watched({ budgetBytes: 1_000 });
  small.memory.totalPart = 0.000_001;
  t.equal(small.tick(0)[0], 4, 'beyond the budget that was given');
});

t.test('a worker whose heap is near its end counts as well, and is named', async (t) => {
  const { guard, memory, clock, log } = new Watched();
  memory.workerHeapBytes = 700;
  clock.advance(100);
  t.strictSame([guard.stage, guard.scarce, guard.used], [1, 'worker-heap', 0.875]);
  t.equal(guard.problem?.message, 'Memory of worker 2 is short: connections are refused');
  t.match(log.at(-1)?.fields, { stage: 'refusing-connections', worker: 2 });
  memory.heapPart = 0.95;
  clock.advance(100);
  t.strictSame([guard.stage, guard.scarce], [3, 'heap']);
  t.match(guard.problem, { message: 'Memory is short: messages are dropped' });
  t.notOk('worker' in (log.at(-1)?.fields ?? {}));
});

t.test('where there are workers their word is waited for before more are disconnected', async (t) => {
  const { memory, clock, done } = new Watched();
  memory.workerHeapBytes = 900;
  clock.advance(100);
  t.strictSame(done.splice(0), ['drop', 'disconnect 0']);
  clock.advance(400);
  t.strictSame(new Set(done.splice(0)), new Set(['drop']));
  clock.advance(100);
  t.strictSame(done.splice(0), ['drop', 'disconnect 0']);
});

t.test('some connections are let in even so, for consumers may be what is missing', async (t) => {
  const watched = new Watched();
  t.equal(watched.guard.refusal(), null);
  watched.tick(0.85);
  const refusals = (): number => Array.from({ length: 30 }, () => watched.guard.refusal()).filter(Boolean).length;
  t.equal(refusals(), 20);
  t.match(watched.guard.refusal(), { code: 'memory-low', retryAfterMs: 5_000 });
  watched.tick(0.85, 10);
  t.equal(refusals(), 20);
});

t.test('publishers wait, and go on some at a time; consumers are read once a second', async (t) => {
  const watched = new Watched();
  const { guard } = watched;
  watched.tick(0.92);
  let [released, sips] = [0, 0];
  for (let k = 0; k < 40; k++) void guard.released(false).then(() => released++);
  void guard.released(true).then(() => sips++);
  t.equal(guard.pausedCount, 41);
  watched.tick(0.92, 9);
  await Promise.resolve();
  t.strictSame([released, sips], [0, 0]);
  watched.tick(0.92);
  await Promise.resolve();
  t.strictSame([released, sips], [0, 1]);
  const after: number[] = [];
  for (let k = 0; k < 3; k++) {
    watched.tick(0.5);
    await Promise.resolve();
    after.push(released);
  }
  t.strictSame(after, [16, 32, 40]);
  t.equal(guard.pauses, 41);
});

t.test('who stops waits for nobody’s memory', async (t) => {
  const watched = new Watched();
  watched.tick(0.92);
  let released = 0;
  for (let k = 0; k < 40; k++) void watched.guard.released(k % 2 === 0).then(() => released++);
  watched.guard.stop();
  await Promise.resolve();
  t.equal(released, 40);
  t.notOk(watched.guard.isPausing);
  t.equal(watched.clock.intervalCount, 0);
});

t.test('before anybody is disconnected for what may be garbage, it is collected', async (t) => {
  const watched = new Watched();
  watched.memory.onCollect = () => (watched.memory.heapPart = 0.6);
  t.strictSame(watched.tick(1.1), [0, []]);
  t.equal(watched.memory.collections, 1);
});

t.test('while publishers wait garbage is looked for, less often where there is none', async (t) => {
  const watched = new Watched({}, { drop: () => undefined, disconnectWorst: () => 0 });
  watched.tick(0.91, 10);
  t.equal(watched.memory.collections, 0, 'it may pass by itself');
  watched.tick(0.91);
  t.equal(watched.memory.collections, 1);
  watched.tick(0.91, 99);
  t.equal(watched.memory.collections, 1);
  watched.tick(0.91, 2);
  t.equal(watched.memory.collections, 2);
  watched.memory.onCollect = () => (watched.memory.heapPart = 0.7);
  watched.tick(0.91, 100);
  t.equal(watched.guard.stage, 0, 'what consumers have taken is noticed');
});

t.test('where connections alone are refused it is looked for now and then: V8 sees no reason to', async (t) => {
  const watched = new Watched();
  watched.tick(0.85, 100);
  t.equal(watched.memory.collections, 0);
  watched.tick(0.85, 200);
  t.equal(watched.memory.collections, 1);
  watched.memory.onCollect = () => (watched.memory.heapPart = 0.5);
  watched.tick(0.85, 301);
  t.equal(watched.guard.stage, 0);
});

t.test('where publishers wait for long, those go who take nothing', async (t) => {
  const watched = new Watched();
  t.strictSame(watched.tick(0.91, 20), [2, []]);
  t.strictSame(watched.tick(0.91, 2), [2, ['drop', 'disconnect 2000']]);
  t.strictSame(watched.tick(0.91, 10), [2, ['drop', 'disconnect 2000', 'drop', 'disconnect 2000']]);
  t.ok(watched.memory.collections >= 2, 'and what they held is asked for');
});

t.test('parts that do not rise, or lie beyond the budget, are refused by name', async (t) => {
  const fault = (memory: object): unknown => {
    try {
      resolveBrokerOptions({ memory });
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.equal(fault({ pausePublishersAt: 0.9 }), null);
  t.match(fault({ pausePublishersAt: 0.5 }), /memory\.pausePublishersAt: got 0\.5, wants 0\.84 to 1/);
  t.match(fault({ disconnectAt: 1.5 }), /memory\.disconnectAt: got 1\.5/);
  t.match(fault({ refuseConnectionsAt: 0 }), /memory\.refuseConnectionsAt: got 0, wants 0\.1 to 1/);
  t.match(fault({ budget: 1 }), /unknown option memory\.budget/);
});
