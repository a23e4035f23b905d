/**
 * What does a backlog cost? A queue with a million persistent messages and no consumer: memory of the broker's process
 * while it fills, then the time to take each hundred thousand out, which tells whether draining is linear. RabbitMQ does
 * the same beside it, where it is installed.
 */
import { parseArgs } from 'node:util';
import { fileSystemOf, makeDataDirectory } from './disk.js';
import { describeMachine, printTable } from './measure.js';
import { median } from './report/statistics.js';
import { describeContender, startContenders, stopContenders, type Contender } from './queue-contenders.js';
import { BODY_BYTES, consume, fill } from './queue-load.js';
import { memoryOf } from './servers/broker-process.js';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    /** Without peers. */
    alone: { type: 'boolean', default: false },
    /** Where the data directories are made. */
    directory: { type: 'string' },
  },
});
const STEPS = 10;
const STEP = flags.quick ? 10_000 : 100_000;
const MIB = 1024 * 1024;

const mib = (octets: number): string => (octets / MIB).toFixed(0);

async function run(contender: Contender): Promise<void> {
  const { broker } = contender;
  const destination = await contender.declare('backlog');
  const target = { port: broker.port, destination, isPersistent: true };
  const filling: { ms: number; rssBytes: number }[] = [];
  const atStart = memoryOf(broker.pid);
  for (let step = 0; step < STEPS; step++) {
    const start = performance.now();
    await fill(target, STEP);
    filling.push({ ms: performance.now() - start, rssBytes: memoryOf(broker.pid).rssBytes });
  }
  const { rssBytes, peakBytes } = memoryOf(broker.pid);
  const draining: { ms: number; rssBytes: number }[] = [];
  let last = performance.now();
  await consume(target, STEP * STEPS, 'client', (count) => {
    if (count % STEP !== 0) return;
    const now = performance.now();
    draining.push({ ms: now - last, rssBytes: memoryOf(broker.pid).rssBytes });
    last = now;
  });
  const times = draining.map(({ ms }) => ms);
  console.log(`\n${contender.name}: ${mib(rssBytes)} MiB resident when full (${mib(atStart.rssBytes)} at the start,`);
  console.log(`  ${mib(peakBytes)} at most until then, ${mib(memoryOf(broker.pid).peakBytes)} until drained);`);
  console.log(`  the slowest step of draining took ${(Math.max(...times) / median(times)).toFixed(2)} × the median`);
  printTable(
    ['messages', 'fill ms', 'MiB', 'drain ms', 'MiB'],
    filling.map(({ ms, rssBytes: filled }, step) => [
      ((step + 1) * STEP).toLocaleString('en'),
      ms.toFixed(0),
      mib(filled),
      (draining[step]?.ms ?? NaN).toFixed(0),
      mib(draining[step]?.rssBytes ?? NaN),
    ]),
  );
}

const directory = makeDataDirectory(flags.directory);
console.log(`${(STEP * STEPS).toLocaleString('en')} persistent messages of ${BODY_BYTES} octets; ${describeMachine()}`);
console.log(`Data on ${fileSystemOf(directory)} (${directory})`);
// RabbitMQ's two kinds share one process: memory can be told of the first alone.
const all = await startContenders(directory, !flags.alone);
const contenders = all.filter(({ hasMemoryQueues }) => hasMemoryQueues);
for (const contender of contenders) console.log(await describeContender(contender));
for (const contender of contenders) await run(contender);
await stopContenders(contenders);
