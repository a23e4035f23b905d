import t from 'tap';
import { SocketBudget } from '../../adapters/transports/index.js';
import { WorkerReporter } from '../../adapters/worker-reporter.js';
import { ScriptedMemory } from '../helpers/scripted-memory.js';

t.test('a worker tells what it has, and collects garbage no more than a twentieth of the time', async (t) => {
  const memory = new ScriptedMemory();
  let nowMs = 1_000;
  memory.onCollect = () => (nowMs += 10);
  const delay = { p50Ms: 1, p99Ms: 2, maxMs: 3, recentP99Ms: 4, recentMaxMs: 5 };
  const reporter = new WorkerReporter({ memory, nowMs: () => nowMs, delay: () => delay });
  t.match(reporter.report(false), {
    heapBytes: 0,
    heapLimitBytes: memory.heapLimitBytes,
    cpuMs: Number,
    delay: { recentP99Ms: 4, recentMaxMs: 5 },
    sockets: null,
    shortage: null,
  });
  t.equal(memory.collections, 0);
  reporter.budget = new SocketBudget(2, () => undefined);
  reporter.budget.take();
  reporter.shortage = 'files';
  t.match(reporter.report(true), { sockets: { open: 1, max: 2 }, shortage: 'files' });
  for (const [atMs, collections] of [
    [1_010, 1],
    [1_199, 1],
    [1_200, 2],
  ] as const) {
    nowMs = atMs;
    reporter.report(true);
    t.equal(memory.collections, collections, `${atMs} ms`);
  }
  reporter.report(true);
  nowMs = 2_000;
  reporter.report(false);
  t.equal(memory.collections, 3, 'what was asked for too soon is done later');
  nowMs = 3_000;
  reporter.report(false);
  t.equal(memory.collections, 3, 'once');
});
