/** The queues of the crash test, and what messages in them look like. */
import { createHash } from 'node:crypto';
import type { CheckedQueues, QueueTraits } from './find-violations.js';
import { parseId } from './history.js';

export interface LoadedQueue extends QueueTraits {
  /** How its consumers acknowledge. */
  readonly consumers: 'one by one' | 'cumulative' | 'in transactions';
  readonly maxConsumers: number;
  /** How likely each of them is there in one life. */
  readonly attendance: number;
  readonly priorities: readonly [number, ...number[]];
  /** Its messages are stored because they ask for it; or because a rule says so. */
  readonly storedBy: 'header' | 'rule';
}

const PLAIN = {
  isExclusive: true,
  consumers: 'one by one',
  maxConsumers: 1,
  attendance: 0.8,
  priorities: [4],
  storedBy: 'header',
} as const satisfies Partial<LoadedQueue>;

/** Where transactions of consumers send what they have made. */
export const RESULTS = ['done', 'single'] as const;
export const DEAD_LETTERS: LoadedQueue = { ...PLAIN, name: 'dead' };
/** Filled faster than it is emptied, so that it becomes longer than what the broker keeps in memory. */
export const DEEP: LoadedQueue = { ...PLAIN, name: 'deep', consumers: 'cumulative', attendance: 0.15 };
/** Those that producers choose from. */
export const QUEUES: readonly [LoadedQueue, ...LoadedQueue[]] = [
  { ...PLAIN, name: 'single' },
  { ...PLAIN, name: 'cumulative', consumers: 'cumulative' },
  { ...PLAIN, name: 'shared', isExclusive: false, maxConsumers: 3 },
  { ...PLAIN, name: 'urgent', priorities: [0, 4, 9] },
  { ...PLAIN, name: 'ruled', storedBy: 'rule' },
  { ...PLAIN, name: 'work', isExclusive: false, maxConsumers: 2, consumers: 'in transactions' },
  { ...PLAIN, name: 'done' },
];
export const ALL_QUEUES: readonly LoadedQueue[] = [...QUEUES, DEEP, DEAD_LETTERS];
export const CHECKED: CheckedQueues = { queues: [...QUEUES, DEEP], deadLetters: DEAD_LETTERS.name };

export function destinationOf(queue: string): string {
  return `/queue/crash/${queue}`;
}

/** What the configuration file of the broker says. */
export const SERVER_OPTIONS = {
  http: false,
  tcp: { port: 0 },
  broker: {
    queueDefaults: {
      // Dead letters are what clients make of them, so that the checker can tell them from faults.
      maxDeliveries: 0,
      deadLetter: destinationOf(DEAD_LETTERS.name),
      backoff: { baseMs: 20, maxMs: 80 },
    },
    queues: ALL_QUEUES.filter(({ storedBy }) => storedBy === 'rule').map(({ name }) => ({
      pattern: destinationOf(name),
      durable: true,
    })),
  },
};

/** Headers of the SEND of message `id`; `note` has an escape in it, so that it takes another path than plain ones. */
export function headersOf(id: string): Record<string, string> {
  const { queue = '', priority = 4, number = 0 } = parseId(id) ?? {};
  const traits = ALL_QUEUES.find(({ name }) => name === queue);
  return {
    destination: destinationOf(queue),
    ...(traits?.storedBy === 'header' ? { persistent: 'true' } : {}),
    ...((traits?.priorities.length ?? 1) > 1 ? { priority: String(priority) } : {}),
    ...(number % 4 === 0 ? { note: `a\\cb\\n${number}` } : {}),
  };
}

/** The body of message `id`: the id, LF, and octets that follow from it, mostly a few, sometimes many. */
export function bodyOf(id: string): Buffer {
  const digest = createHash('sha256').update(id).digest();
  const lengthBytes = digest.readUInt8(0) === 0 ? 20_000 : digest.readUInt16LE(1) % 700;
  return Buffer.concat([Buffer.from(`${id}\n`), Buffer.alloc(lengthBytes, digest)]);
}

/** The id of a message by its body; null when the body is not as it was sent. */
export function idOfBody(body: Buffer): string | null {
  const id = body.toString('latin1', 0, Math.max(0, body.indexOf('\n')));
  return parseId(id) !== null && bodyOf(id).equals(body) ? id : null;
}
