// Many clients for whom more and more is held, each within its limits, until there is no memory left for anybody.
import t, { type Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import { openConnected, type RawClient } from '../helpers/raw-client.js';
import { until } from '../helpers/until.js';
import { Arena, IS_LONG, type Started } from './arena.js';

const group = 'memory';
// Two servers are driven to the end of their memory, one of them past it.
t.setTimeout(120_000);
const KEPT = 100;
const DEADLINE_MS = 60_000;

interface Hoard {
  readonly name: string;
  readonly clients: number;
  /** Of the attacked process: half of it is taken before the attack. */
  readonly heapMiB: number;
  readonly ack: 'auto' | 'client';
  /** Sessions that are ended before the attack is over. */
  readonly enough: number;
}

/** Subscribe and read nothing, while somebody publishes as fast as it is let. */
async function hoard(t: Test, target: Started, { clients, ack }: Hoard): Promise<RawClient> {
  for (let k = 0; k < clients; k++) {
    const client = await openConnected(t, target.tcpPort);
    client.socket.on('error', () => undefined);
    await client.subscribe('/topic/all', '0', { ack });
    client.socket.pause();
  }
  const firehose = await openConnected(t, target.tcpPort);
  const { socket } = firehose;
  const block = 'SEND\ndestination:/topic/all\n\n12345678901234567890\0'.repeat(200);
  const fire = (): void => {
    while (socket.writable && socket.write(block));
    socket.once('drain', fire);
  };
  socket.on('error', () => undefined);
  fire();
  return firehose;
}

/** Stored in no file: they are there as long as the server is. @returns once all have their RECEIPT */
async function keep(t: Test, target: Started): Promise<void> {
  const publisher = await openConnected(t, target.tcpPort);
  for (let k = 0; k < KEPT; k++) publisher.sendFrame('SEND', { destination: '/queue/kept' }, String(k));
  await publisher.fence();
}

async function countKept(t: Test, target: Started): Promise<number> {
  const consumer = await openConnected(t, target.tcpPort);
  await consumer.subscribe('/queue/kept');
  consumer.sendFrame('SEND', { destination: '/topic/fence', receipt: 'end' });
  let messages = 0;
  for (let frame = await consumer.frame(); frame.command === 'MESSAGE'; frame = await consumer.frame()) messages++;
  return messages;
}

const HOARDS: readonly Hoard[] = [
  {
    name: 'clients that acknowledge nothing, and somebody who publishes without end',
    clients: 30,
    heapMiB: 56,
    ack: 'client',
    enough: 2,
  },
  ...(IS_LONG
    ? [
        {
          name: 'clients that read nothing, and the same',
          clients: 150,
          ack: 'auto',
          enough: 100,
          heapMiB: 64,
        } as const,
      ]
    : []),
];
/** Each client within its bounds: what has to be met is the end of memory, not theirs. */
const options = {
  limits: { lingerMs: 100 },
  outbox: { softLimitBytes: 2 ** 30, softLimitMs: 3_600_000, hardLimitBytes: 2 ** 31 },
};

for (const attacked of HOARDS) {
  t.test(attacked.name, async (t) => {
    const unguarded = Arena.open(t, { heapMiB: attacked.heapMiB });
    await hoard(t, await unguarded.serve(t, { broker: { ...options, memory: { enabled: false } } }), attacked);
    const without = await inTime(unguarded.ended, 'the unguarded server to end', DEADLINE_MS);
    t.match(without, /out of memory/);

    const arena = Arena.open(t, { heapMiB: attacked.heapMiB });
    const target = await arena.serve(t, { broker: options });
    await keep(t, target);
    const attack = { group, name: attacked.name, defence: 'memory (broker/memory/)', mayStall: true };
    const run = async (): Promise<string> => {
      const firehose = await hoard(t, target, attacked);
      const enough = async (): Promise<boolean> => (await arena.stats(target)).closed['memory-low'] >= attacked.enough;
      await until('those to be disconnected for whom most is held', enough, DEADLINE_MS);
      firehose.destroy();
      const mayPublish = async (): Promise<boolean> => ((await arena.stats(target)).memory?.stage ?? 4) < 2;
      await until('publishers to go on', mayPublish, DEADLINE_MS);
      return `some are disconnected, ${await countKept(t, target)} of ${KEPT} kept messages are there`;
    };
    const { outcome } = await arena.attack(t, target, attack, run, 'the process ends: out of memory');
    t.equal(outcome, `some are disconnected, ${KEPT} of ${KEPT} kept messages are there`);
  });
}
