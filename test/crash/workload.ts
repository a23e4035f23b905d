/** Queues and durable subscriptions of the crash test, and what messages in them look like. */
import { createHash } from 'node:crypto';
import type { CheckedQueues, QueueTraits } from './find-violations.js';
import { formatId, parseId } from './history.js';

export interface LoadedQueue extends QueueTraits {
  /** How its consumers acknowledge. */
  readonly consumers: 'one by one' | 'cumulative' | 'in transactions';
  readonly maxConsumers: number;
  /** How likely each of them is there in one life. */
  readonly attendance: number;
  readonly priorities: readonly [number, ...number[]];
  /** Null for a queue; else it is a durable subscription to this topic. */
  readonly topic: string | null;
  /** Its messages are stored because they ask for it; or because a rule says so. */
  readonly storedBy: 'header' | 'rule';
}

const PLAIN = {
  isExclusive: true,
  consumers: 'one by one',
  maxConsumers: 1,
  attendance: 0.8,
  priorities: [4],
  topic: null,
  storedBy: 'header',
} as const satisfies Partial<LoadedQueue>;

/** Where transactions of consumers send what they have made. */
export const RESULTS = ['done', 'single'] as const;
export const DEAD_LETTERS: LoadedQueue = { ...PLAIN, name: 'dead' };
/** Filled faster than it is emptied, so that it becomes longer than what the broker keeps in memory. */
export const DEEP: LoadedQueue = { ...PLAIN, name: 'deep', consumers: 'cumulative', attendance: 0.15 };
const QUEUES: readonly [LoadedQueue, ...LoadedQueue[]] = [
  { ...PLAIN, name: 'single' },
  { ...PLAIN, name: 'cumulative', consumers: 'cumulative' },
  { ...PLAIN, name: 'shared', isExclusive: false, maxConsumers: 3 },
  { ...PLAIN, name: 'urgent', priorities: [0, 4, 9] },
  { ...PLAIN, name: 'ruled', storedBy: 'rule' },
  { ...PLAIN, name: 'work', isExclusive: false, maxConsumers: 2, consumers: 'in transactions' },
  { ...PLAIN, name: 'done' },
];
/** A topic: each of its messages goes to every subscription. */
const NEWS: LoadedQueue = { ...PLAIN, name: 'news' };
export const SUBSCRIPTIONS: readonly LoadedQueue[] = [
  { ...PLAIN, name: 'news-a', topic: NEWS.name, consumers: 'cumulative' },
  { ...PLAIN, name: 'news-b', topic: NEWS.name, consumers: 'cumulative', attendance: 0.3 },
];
/** What producers choose from. */
export const TARGETS: readonly [LoadedQueue, ...LoadedQueue[]] = [...QUEUES, NEWS];
/** Everything that is sent to. */
export const ALL_TARGETS: readonly LoadedQueue[] = [...TARGETS, DEEP, DEAD_LETTERS];
/** Everything that is consumed from. */
export const SOURCES: readonly LoadedQueue[] = [...QUEUES, DEEP, DEAD_LETTERS, ...SUBSCRIPTIONS];
export const CHECKED: CheckedQueues = {
  queues: SOURCES.filter((queue) => queue !== DEAD_LETTERS),
  deadLetters: DEAD_LETTERS.name,
};

/** Of a target. */
export function destinationOf(name: string): string {
  return `${name === NEWS.name ? '/topic' : '/queue'}/crash/${name}`;
}

/** What SUBSCRIBE says, besides its id. */
export function subscribeHeadersOf({ name, topic, consumers }: LoadedQueue): Record<string, string> {
  const ack = consumers === 'cumulative' ? 'client' : 'client-individual';
  const destination = destinationOf(topic ?? name);
  return topic === null ? { destination, ack } : { destination, ack, 'activemq.subscriptionName': name };
}

/** What CONNECT says of who it is. */
export function connectHeadersOf({ name, topic }: LoadedQueue): Record<string, string> {
  return topic === null ? {} : { 'client-id': name };
}

/** In a history each subscription has a message of its own, as if it were a queue. */
export function copiesOf(id: string): string[] {
  const message = parseId(id);
  if (message?.queue !== NEWS.name) return [id];
  return SUBSCRIPTIONS.map(({ name }) => formatId({ ...message, queue: name }));
}

/** The one of them that came from this source. */
export function copyFrom({ name, topic }: LoadedQueue, id: string): string {
  const message = parseId(id);
  return topic === null || message === null ? id : formatId({ ...message, queue: name });
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
    queues: TARGETS.filter(({ storedBy }) => storedBy === 'rule').map(({ name }) => ({
      pattern: destinationOf(name),
      durable: true,
    })),
  },
};

/** Headers of the SEND of message `id`; `note` has an escape in it, so that it takes another path than plain ones. */
export function headersOf(id: string): Record<string, string> {
  const { queue = '', priority = 4, number = 0 } = parseId(id) ?? {};
  const traits = ALL_TARGETS.find(({ name }) => name === queue);
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
