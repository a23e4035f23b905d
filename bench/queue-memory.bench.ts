/**
 * What does a backlog cost? A queue with a million persistent messages and no consumer: memory of the broker's process
 * while it fills, then the time to take each hundred thousand out, which tells whether draining is linear. RabbitMQ does
 * the same beside it, where it is installed.
 */
import { parseArgs } from 'node:util';
import { fileSystemOf, makeDataDirectory } from './disk.js';
import { describeMachine, printTable } from './measure.js';
import { median } from './report/statistics.js';
import { storingHoofbeat } from './contenders/hoofbeat.js';
import type { Peer } from './contenders/peer.js';
import { rabbitMq } from './contenders/rabbitmq.js';
import { BODY_BYTES, consume, fill } from './load/queue-actions.js';
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

async function run(peer: Peer): Promise<void> {
  const broker = await peer.start(directory);
  // Of RabbitMQ this is a classic one.
  const target = { port: broker.tcpPort, destination: '/queue/backlog', isPersistent: true };
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
  console.log(
    `\n${peer.name} (${peer.description}): ${mib(rssBytes)} MiB resident when full (${mib(atStart.rssBytes)} at the start,`,
  );
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
  await broker.stop();
}

const directory = makeDataDirectory(flags.directory);
console.log(`${(STEP * STEPS).toLocaleString('en')} persistent messages of ${BODY_BYTES} octets; ${describeMachine()}`);
console.log(`Data on ${fileSystemOf(directory)} (${directory})`);
const peers = flags.alone ? [storingHoofbeat] : [storingHoofbeat, rabbitMq];
for (const peer of peers) {
  const missing = peer.missing();
  if (missing === null) await run(peer);
  else console.log(`\n${peer.name}: skipped, ${missing}`);
}
