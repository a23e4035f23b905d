/**
 * What does each ack mode and store cost? Messages per second through one queue: published with RECEIPT, consumed with
 * ACK, persistent and not, beside RabbitMQ's two kinds of queue and beside what the disk can do at most.
 */
import { costFigures } from '../bed.js';
import { compareAll, type Measured, type Plan } from '../compare.js';
import { hoofbeatStoring, rabbitMqClassic, rabbitMqQuorum } from '../contenders/contender.js';
import { commitsPerSecond, fileSystemOf, settleDisk, syncsPerSecond } from '../disk.js';
import { BODY_BYTES, PREFETCH } from '../load/queue-actions.js';
import type { Bench, Scenario } from '../scenario.js';

const PUBLISHERS = [
  ['1 producer', 1, 1],
  ['100 producers', 100, 1],
  ['1 producer, 100 in flight', 1, 100],
] as const;
/** Each cycle fills, syncs and drains beside what is measured. */
const WARM_UP_OPERATIONS = 10_000;
const ACK_MODES = ['client-individual', 'client'] as const;

/** Commits of SQLite on the same disk with nothing around them, as many rows in each as messages are under way. */
function sqliteLimit({ peers, settings }: Bench, rows: number): Measured {
  const durationMs = settings.isQuick ? 60 : 250;
  return {
    name: 'limit: SQLite commits',
    warmUpOperations: 0,
    isWarm: true,
    prepare: () => Promise.resolve(),
    round: async () => ({ perSecond: rows * commitsPerSecond(peers.directory, rows, BODY_BYTES, durationMs) }),
    entry: (samples) => ({ contender: 'limit: SQLite commits', samples }),
  };
}

function plansOf(bench: Bench, isPersistent: boolean): Plan[] {
  const kind = isPersistent ? 'persistent' : 'memory';
  const { isQuick } = bench.settings;
  const settle = (): void => settleDisk(bench.peers.directory);
  // A quorum queue stores every message, whatever its sender says.
  const common = { clients: { queue: kind, isPersistent }, settle, warmUpOperations: WARM_UP_OPERATIONS };
  const suits: Plan['suits'] = (contender) => isPersistent || contender !== rabbitMqQuorum;
  const publishing = PUBLISHERS.map(([name, producers, window]): Plan => ({
    ...common,
    suits,
    settings: { messages: kind, action: `SEND + RECEIPT, ${name}` },
    round: { action: 'publish', producers, window },
    after: { action: 'drain' },
    beside: isPersistent ? [sqliteLimit(bench, producers * window)] : [],
  }));
  const consuming = ACK_MODES.map((ackMode): Plan => ({
    ...common,
    suits,
    settings: { messages: kind, action: `consume, ack:${ackMode}` },
    before: { action: 'fill', messages: isQuick ? 4_000 : 20_000 },
    round: { action: 'consume', ackMode },
  }));
  if (!isQuick) return [...publishing, ...consuming];
  return [...publishing.slice(2), ...consuming.slice(1)];
}

export const queue: Scenario = {
  name: 'queue',
  title: 'What does each ack mode and store cost?',
  run: async (bench) => {
    const { directory } = bench.peers;
    const contenders = [hoofbeatStoring, rabbitMqClassic, ...(bench.settings.isQuick ? [] : [rabbitMqQuorum])];
    const plans = [...plansOf(bench, true), ...(bench.settings.isQuick ? [] : plansOf(bench, false))];
    bench.progress.expect(plans.length * contenders.length * (bench.settings.rounds + 1));
    settleDisk(directory);
    const syncs = syncsPerSecond(directory, 100);
    const { points, skipped } = await compareAll(bench, 'queue', contenders, plans);
    return {
      method: [
        `One queue over TCP, bodies of ${BODY_BYTES} octets, prefetch ${PREFETCH}; RECEIPT of a persistent message comes when it is synced. The disk: ${fileSystemOf(directory)}, ${syncs.toFixed(0)} syncs of 256 octets per second. What was left to be written is synced before each measurement, so that its author pays for it.`,
      ],
      figures: [
        ...costFigures('messages', 'message').filter(({ key }) => key !== 'perSecondAndCore'),
        { key: 'p50Ms', label: 'p50 ms', digits: 2, better: 'less' },
        { key: 'p99Ms', label: 'p99 ms', digits: 2, better: 'less' },
      ],
      ratioOf: 'perSecond',
      points,
      plots: [
        {
          kind: 'bars',
          title: 'Persistent messages with RECEIPT, 100 producers: messages per second',
          figure: 'perSecond',
          where: { messages: 'persistent', action: 'SEND + RECEIPT, 100 producers' },
        },
        {
          kind: 'bars',
          title: 'Persistent messages consumed, ack:client: messages per second',
          figure: 'perSecond',
          where: { messages: 'persistent', action: 'consume, ack:client' },
        },
      ],
      skipped,
    };
  },
};
