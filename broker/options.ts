/**
 * What can be set on the broker itself: one nested object, its defaults, and the check that fills one from the other.
 * Listeners, files and logging belong to adapters/config.
 */
import type { FrameLimits } from '../protocol/index.js';
import { compileSegment, hasWildcard, splitSegments } from './destinations/pattern.js';
import { isReserved } from './destinations/reserved-prefixes.js';
import { BrokerError } from './errors.js';
import { checkOverflowRules, type OverflowRule } from './overflow-policy.js';
import {
  DEFAULT_HISTORY_OPTIONS,
  findHistoryFault,
  type HistoryOptions,
  type HistoryRule,
} from './history/history-options.js';
import {
  DEFAULT_INBOX_BOUNDS,
  DEFAULT_INBOX_OPTIONS,
  findInboxFault,
  type InboxBounds,
  type InboxOptions,
} from './inbox/inbox-options.js';
import { DEFAULT_IDEMPOTENCY_OPTIONS, type IdempotencyOptions } from './message-keys.js';
import { DEFAULT_MEMORY_OPTIONS, findMemoryFault, type MemoryOptions } from './memory/memory-options.js';
import { DEFAULT_FEED_OPTIONS, type FeedOptions } from './feed/feed-options.js';
import { DEFAULT_PRESENCE_OPTIONS, type PresenceOptions } from './presence/presence-options.js';
import { DEFAULT_QUOTA_OPTIONS, findQuotaFault, NO_RATE, type QuotaOptions } from './quotas/quota-options.js';
import { DEFAULT_SHUTDOWN_OPTIONS, findShutdownFault, type ShutdownOptions } from './shutdown-options.js';
import { DEFAULT_QUEUE_OPTIONS, findQueueFault, type QueueOptions, type QueueRule } from './queue-options.js';

export interface BrokerOptions {
  /** Name of this node in message ids: 1–32 letters, digits, `-`, `_`. Default: random at each start. */
  readonly nodeId: string;
  /** Value of `server` in CONNECTED; false hides it. */
  readonly serverHeader: string | false;
  /** `spring` drops frames to destinations outside every prefix, `strict` answers ERROR. */
  readonly compat: 'spring' | 'strict';
  /** What a refusal of one frame does: `close` answers ERROR and ends the connection, `soft` tells `/user/queue/errors`. */
  readonly refusals: 'close' | 'soft';
  /** MESSAGE names in `JMSXUserID` the user who sent it. What clients write there is never relayed. */
  readonly userIdHeader: boolean;
  /** Accepted values of `host` in CONNECT; false accepts any. */
  readonly virtualHosts: readonly string[] | false;
  readonly heartBeat: HeartBeatOptions;
  readonly destinations: DestinationOptions;
  /** By pattern; the first that matches decides. */
  readonly queues: readonly QueueRule[];
  /** Of queues that no rule covers, and what rules leave open. Topics take redelivery from here. */
  readonly queueDefaults: QueueOptions;
  /** Topics that keep what was published, by pattern; the first that matches decides. */
  readonly history: readonly HistoryRule[];
  readonly handlers: HandlerLimits;
  readonly limits: LimitOptions;
  /** How much one session, user and address may, and how much destinations take. */
  readonly quotas: QuotaOptions;
  /** How much the process may take, and what gives way before that. */
  readonly memory: MemoryOptions;
  readonly outbox: OutboxOptions;
  readonly durableSubscriptions: DurableSubscriptionOptions;
  /** Messages for users who are not there. */
  readonly inbox: InboxOptions;
  /** Messages with a `message-key`. */
  readonly idempotency: IdempotencyOptions;
  readonly store: StoreOptions;
  /** Who is subscribed to a topic, on `/topic/$presence/…`. */
  readonly presence: PresenceOptions;
  /** What the broker tells about itself, on `/topic/$broker/…`. */
  readonly feed: FeedOptions;
  /** How the node goes when it is stopped. */
  readonly shutdown: ShutdownOptions;
}

/** Subscriptions to topics that outlive their sessions. */
export interface DurableSubscriptionOptions {
  /** How long one lives without its client, in ms. A client may ask for less with `x-expires`. */
  readonly expireAfterMs: number;
  /** On this node. */
  readonly maxSubscriptions: number;
  /** Kept for each while its client is away. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** When there is no room, as for queues: with `refuse` one absent client stops the topic's publishers. */
  readonly onFull: QueueOptions['onFull'];
}

export interface StoreOptions {
  /** Octets on their way to the store above which publishers of stored messages are not read from. */
  readonly maxPendingBytes: number;
}

export interface HeartBeatOptions {
  /** What the server can send, in ms; 0 is never. */
  readonly sendMs: number;
  /** What the server wants to receive, in ms; 0 is never. */
  readonly receiveMs: number;
  /** Silence of this many negotiated intervals closes the session (STOMP 1.2, Heart-beating: "an error margin"). */
  readonly tolerance: number;
}

export interface DestinationOptions {
  /** What separates the segments that `*` and `**` count by. */
  readonly separator: '/' | '.';
  /** Beside Ant's: `amqp` reads the segment `#` as `**`, `activemq` the last segment `>`. */
  readonly wildcards: 'ant' | 'amqp' | 'activemq';
  /** SEND may name several destinations with commas between them, as ActiveMQ's clients do. */
  readonly composite: boolean;
  /** `/app` covers `/app/x`, not `/appx` (Spring S3.2). */
  readonly appPrefixes: readonly string[];
  /** `/user` covers `/user/…`. */
  readonly userPrefix: string;
  /** Each is a bare string prefix: `/topic` also covers `/topicX` (Spring S3.3). */
  readonly topicPrefixes: readonly string[];
  readonly queuePrefixes: readonly string[];
  /** Longest destination, in octets. */
  readonly maxLengthBytes: number;
}

export interface HandlerLimits {
  /** How long an `/app` handler may take before its session goes on without it, in ms. */
  readonly deadlineMs: number;
  /** How long before its credentials expire a session is told on `/user/queue/session`, in ms. */
  readonly expiryNoticeMs: number;
}

export interface LimitOptions {
  /** From accept to a whole CONNECT frame. */
  readonly connectTimeoutMs: number;
  /** From the first octet of a frame to its last. */
  readonly frameTimeoutMs: number;
  /** After ERROR or RECEIPT of DISCONNECT: how long input is discarded before the connection is cut (STOMP 1.2, Lingering). */
  readonly lingerMs: number;
  /** Until CONNECTED. */
  readonly beforeConnected: FrameLimits;
  readonly frame: FrameLimits;
  /**
   * How long the frames of one turn of the event loop may keep others waiting, in ms; above it a client's further frames
   * wait for a later turn, and so does writing to further connections.
   */
  readonly turnBudgetMs: number;
  readonly maxConnections: number;
  readonly maxSubscriptionsPerSession: number;
  /** Of all sessions of this node. */
  readonly maxSubscriptions: number;
  /** This node remembers so many queues; of those that hold nothing the oldest give way first. Not of queues that nodes share. */
  readonly maxQueues: number;
  /** Octets of one `selector`, and of all selectors that a session holds at a time. */
  readonly maxSelectorBytes: number;
  readonly maxSelectorBytesPerSession: number;
  /**
   * Octets of segments such as `price.*` in all patterns that a session has subscribed to at a time; those with a regex
   * count eightfold, a `**` with something behind it as 8. `*` and a last `**` cost nobody anything.
   */
  readonly maxPatternBytesPerSession: number;
  /** Wild segments (`*`, `?`, `{}`) and `**` in one subscribed pattern. */
  readonly maxPatternWildcards: number;
  /** Names under `/temp-queue` that one session may use. */
  readonly maxTempQueuesPerSession: number;
  readonly maxTransactionsPerSession: number;
  readonly maxTransactionFrames: number;
  readonly maxTransactionBytes: number;
  /** Messages delivered and not yet acknowledged, per subscription, before the session stops receiving on it. */
  readonly maxPendingAcks: number;
  /** Destinations remembered without a subscriber. */
  readonly maxCachedRoutes: number;
  /** All histories together, in octets of memory: above it those published to the longest ago give way. */
  readonly maxHistoryBytes: number;
}

/** The bounded output of one session (DESIGN D8). */
export interface OutboxOptions {
  /** Octets handed to the transport and not yet to the system above which messages wait in the outbox. */
  readonly highWaterBytes: number;
  /** More than this waiting for longer than `softLimitMs` makes a slow consumer. */
  readonly softLimitBytes: number;
  readonly softLimitMs: number;
  /** More than this waiting makes a slow consumer at once. */
  readonly hardLimitBytes: number;
  /** Topics whose messages give way to newer ones before it comes to that; the first pattern that matches decides. */
  readonly policies: readonly OverflowRule[];
}

/** `T` with every level optional. */
export type Partially<T> = {
  readonly [K in keyof T]?: T[K] extends readonly unknown[] | string | number | boolean
    ? T[K] | undefined
    : T[K] extends object
      ? Partially<T[K]> | undefined
      : T[K] | undefined;
};

const KIB = 1024;
const MIB = 1024 * KIB;

/** Deep-frozen; `nodeId` empty stands for "random at each start". */
export const DEFAULT_BROKER_OPTIONS: BrokerOptions = deepFreeze({
  nodeId: '',
  serverHeader: 'hoofbeat/0.1.0',
  compat: 'spring',
  refusals: 'close',
  userIdHeader: false,
  virtualHosts: false,
  // So each client has the interval it asks for, down to the least that RabbitMQ takes: the larger number counts, and most
  // clients say 10 s by themselves, as Spring does (S2.5). 2 intervals is the margin of stompjs and of RabbitMQ.
  heartBeat: { sendMs: 1_000, receiveMs: 1_000, tolerance: 2 },
  destinations: {
    separator: '/',
    wildcards: 'ant',
    composite: false,
    appPrefixes: ['/app'],
    userPrefix: '/user',
    topicPrefixes: ['/topic'],
    queuePrefixes: ['/queue'],
    maxLengthBytes: KIB,
  },
  queues: [],
  queueDefaults: DEFAULT_QUEUE_OPTIONS,
  history: [],
  handlers: { deadlineMs: 30_000, expiryNoticeMs: 30_000 },
  limits: {
    // RabbitMQ waits 10 s for CONNECT.
    connectTimeoutMs: 10_000,
    // The largest body at a megabit a second.
    frameTimeoutMs: 120_000,
    lingerMs: 2_000,
    // RabbitMQ's 64 KiB before login.
    beforeConnected: { maxHeaders: 64, maxHeaderLineBytes: 8 * KIB, maxBodyBytes: 0 },
    frame: { maxHeaders: 256, maxHeaderLineBytes: 16 * KIB, maxBodyBytes: 16 * MIB },
    // Half of what others may notice; what was published is written within the same turn.
    turnBudgetMs: 10,
    maxConnections: 100_000,
    maxSubscriptionsPerSession: 20_000,
    // Some 2 to 5 GB.
    maxSubscriptions: 5_000_000,
    // Each may hold `queueDefaults.maxBytes`.
    maxQueues: 100_000,
    maxSelectorBytes: 4 * KIB,
    // Each message of a topic may cost all of them: the worst that can be written in it take 30 ms (measured).
    maxSelectorBytesPerSession: 16 * KIB,
    // Each new destination may have to be compared with all of them: at most some 25 ms (measured).
    maxPatternBytesPerSession: 8 * KIB,
    maxPatternWildcards: 8,
    maxTempQueuesPerSession: 100,
    // RabbitMQ: 16 open transactions, 1,024 actions each.
    maxTransactionsPerSession: 16,
    maxTransactionFrames: 1_024,
    maxTransactionBytes: 16 * MIB,
    maxPendingAcks: 10_000,
    maxCachedRoutes: 50_000,
    maxHistoryBytes: 256 * MIB,
  },
  quotas: DEFAULT_QUOTA_OPTIONS,
  memory: DEFAULT_MEMORY_OPTIONS,
  // redis' pub/sub limits have this form: 8 MiB for 60 s or 32 MiB at once.
  outbox: { highWaterBytes: MIB, softLimitBytes: 4 * MIB, softLimitMs: 10_000, hardLimitBytes: 32 * MIB, policies: [] },
  durableSubscriptions: {
    expireAfterMs: 14 * 24 * 60 * 60 * 1_000,
    maxSubscriptions: 10_000,
    maxMessages: 100_000,
    maxBytes: 64 * MIB,
    onFull: 'drop-oldest',
  },
  inbox: DEFAULT_INBOX_OPTIONS,
  idempotency: DEFAULT_IDEMPOTENCY_OPTIONS,
  // Two commits' worth: more would only wait.
  store: { maxPendingBytes: 8 * MIB },
  presence: DEFAULT_PRESENCE_OPTIONS,
  feed: DEFAULT_FEED_OPTIONS,
  shutdown: DEFAULT_SHUTDOWN_OPTIONS,
});

/**
 * Fills what is missing with defaults and checks the rest.
 * @throws BrokerError `invalid-option`, naming the option by its path, what it got and what it wants
 */
export function resolveBrokerOptions(given: Partially<BrokerOptions> = {}): BrokerOptions {
  const merged = merge(DEFAULT_BROKER_OPTIONS, given, '') as BrokerOptions;
  const { nodeId, serverHeader, compat, virtualHosts, heartBeat, destinations, outbox } = merged;
  if (nodeId !== '' && !/^[A-Za-z0-9_-]{1,32}$/.test(nodeId)) {
    throw invalid('nodeId', nodeId, '1 to 32 letters, digits, "-" or "_"');
  }
  // CONNECTED is never escaped (STOMP 1.2, Value Encoding), so nothing that would need it may get there.
  if (serverHeader !== false && !/^[\x21-\x39\x3b-\x7e]+( [\x20-\x7e]+)?$/.test(serverHeader)) {
    throw invalid('serverHeader', serverHeader, 'printable ASCII, name/version then comments, or false');
  }
  if (!isOneOf(compat, ['spring', 'strict'])) throw invalid('compat', compat, '"spring" or "strict"');
  if (!isOneOf(merged.refusals, ['close', 'soft'])) {
    throw invalid('refusals', merged.refusals, '"close" or "soft"');
  }
  if (!/^\/.*[^/]$/.test(destinations.userPrefix)) {
    throw invalid('destinations.userPrefix', destinations.userPrefix, 'a slash, a name, no slash at its end');
  }
  if (virtualHosts !== false && virtualHosts.length === 0) {
    throw invalid('virtualHosts', virtualHosts, 'at least one name, or false');
  }
  if (heartBeat.tolerance < 1) throw invalid('heartBeat.tolerance', heartBeat.tolerance, '1 or more');
  if (!isOneOf(destinations.separator, ['/', '.'])) {
    throw invalid('destinations.separator', destinations.separator, '"/" or "."');
  }
  if (!isOneOf(destinations.wildcards, ['ant', 'amqp', 'activemq'])) {
    throw invalid('destinations.wildcards', destinations.wildcards, '"ant", "amqp" or "activemq"');
  }
  for (const list of ['topicPrefixes', 'queuePrefixes', 'appPrefixes'] as const) {
    const reserved = destinations[list].find(isReserved);
    if (reserved !== undefined) {
      throw invalid(`destinations.${list}`, reserved, 'nothing under /temp-queue or /reply-queue, which are reserved');
    }
  }
  for (const topic of destinations.topicPrefixes) {
    const queue = destinations.queuePrefixes.find((prefix) => prefix.startsWith(topic) || topic.startsWith(prefix));
    if (queue !== undefined) {
      throw invalid('destinations.queuePrefixes', queue, `nothing that overlaps topic prefix ${JSON.stringify(topic)}`);
    }
  }
  const quotaFault = findQuotaFault(merged.quotas);
  if (quotaFault !== null) throw invalid(`quotas.${quotaFault.option}`, quotaFault.got, quotaFault.wants);
  const shutdownFault = findShutdownFault(merged.shutdown);
  if (shutdownFault !== null) throw invalid(`shutdown.${shutdownFault.option}`, shutdownFault.got, shutdownFault.wants);
  const memoryFault = findMemoryFault(merged.memory);
  if (memoryFault !== null) throw invalid(`memory.${memoryFault.option}`, memoryFault.got, memoryFault.wants);
  const { statsIntervalMs } = merged.feed;
  if (statsIntervalMs < 100) throw invalid('feed.statsIntervalMs', statsIntervalMs, '100 or more');
  // At 0 no transport could ever be given an octet.
  if (outbox.highWaterBytes < 1) throw invalid('outbox.highWaterBytes', outbox.highWaterBytes, '1 or more');
  if (outbox.softLimitBytes > outbox.hardLimitBytes) {
    throw invalid(
      'outbox.softLimitBytes',
      outbox.softLimitBytes,
      `at most hardLimitBytes (${String(outbox.hardLimitBytes)})`,
    );
  }
  const { onFull } = merged.durableSubscriptions;
  if (!isOneOf(onFull, ['refuse', 'drop-oldest', 'dead-letter'])) {
    throw invalid('durableSubscriptions.onFull', onFull, '"refuse", "drop-oldest" or "dead-letter"');
  }
  if (!isOneOf(merged.inbox.recipients, ['known', 'any'])) {
    throw invalid('inbox.recipients', merged.inbox.recipients, '"known" or "any"');
  }
  const queueDefaults = resolveQueueDefaults(merged, given.queueDefaults?.deadLetter === undefined);
  const queues = resolveRules(merged.queues, 'queues', queueDefaults, destinations, checkQueues);
  const rates = resolveRules(merged.quotas.destinations, 'quotas.destinations', NO_RATE, destinations, () => undefined);
  const quotas = { ...merged.quotas, destinations: rates };
  const history = resolveRules(merged.history, 'history', DEFAULT_HISTORY_OPTIONS, destinations, checkHistory);
  const rules = resolveRules(merged.inbox.rules, 'inbox.rules', DEFAULT_INBOX_BOUNDS, destinations, checkInbox);
  return deepFreeze({ ...merged, quotas, queueDefaults, queues, history, inbox: { ...merged.inbox, rules } });
}

/** The default dead-letter queue stands under the first prefix that queues have. */
function resolveQueueDefaults({ queueDefaults, destinations }: BrokerOptions, isUnsaid: boolean): QueueOptions {
  const [prefix] = destinations.queuePrefixes;
  const options = isUnsaid ? { ...queueDefaults, deadLetter: deadLetterUnder(prefix, destinations) } : queueDefaults;
  checkQueues(options, 'queueDefaults', destinations);
  return options;
}

function deadLetterUnder(prefix: string | undefined, { separator }: DestinationOptions): string | false {
  if (prefix === undefined) return false;
  if (prefix.endsWith('/') || prefix.endsWith('.')) return `${prefix}DLQ`;
  // Behind a leading slash a slash is the custom, whatever separates the rest.
  return `${prefix}${prefix.startsWith('/') ? '/' : separator}DLQ`;
}

/** Each rule filled from the defaults. */
function resolveRules<T extends object>(
  given: unknown,
  path: string,
  defaults: T,
  destinations: DestinationOptions,
  check: (rule: { readonly pattern: string } & T, at: string, destinations: DestinationOptions) => void,
): ({ readonly pattern: string } & T)[] {
  if (!Array.isArray(given)) throw invalid(path, given, 'a list of objects with a pattern');
  return given.map((rule: unknown, index) => {
    const at = `${path}[${String(index)}]`;
    if (typeof rule !== 'object' || rule === null) throw invalid(at, rule, 'an object with a pattern');
    const { pattern, ...own } = rule as Record<string, unknown>;
    if (typeof pattern !== 'string' || pattern === '') throw invalid(`${at}.pattern`, pattern, 'a destination pattern');
    checkPattern(pattern, `${at}.pattern`, destinations);
    const filled = { pattern, ...(merge(defaults, own, at) as T) };
    check(filled, at, destinations);
    return filled;
  });
}

function checkPattern(pattern: string, at: string, { separator }: DestinationOptions): void {
  try {
    for (const segment of splitSegments(pattern, separator).filter(hasWildcard)) compileSegment(segment);
  } catch (error) {
    throw invalid(at, pattern, `a pattern as in SUBSCRIBE (${error instanceof Error ? error.message : String(error)})`);
  }
}

function checkQueues(options: QueueOptions, at: string, destinations: DestinationOptions): void {
  const prefixes = [...destinations.topicPrefixes, ...destinations.queuePrefixes];
  const fault = findQueueFault(options, (name) => prefixes.some((prefix) => name.startsWith(prefix)));
  if (fault !== null) throw invalid(`${at}.${fault.option}`, fault.got, fault.wants);
}

function checkHistory(options: HistoryOptions, at: string): void {
  const fault = findHistoryFault(options);
  if (fault !== null) throw invalid(`${at}.${fault.option}`, fault.got, fault.wants);
}

function checkInbox(
  bounds: InboxBounds & { readonly pattern: string },
  at: string,
  { userPrefix }: DestinationOptions,
): void {
  const fault = findInboxFault(bounds, userPrefix);
  if (fault !== null) throw invalid(`${at}.${fault.option}`, fault.got, fault.wants);
}

/** Two options whose type is wider than the type of their default. */
const ALSO_FALSE = new Set(['serverHeader', 'virtualHosts']);
/** Filled and checked behind the rest. */
const RULES = new Set(['queues', 'history', 'inbox.rules', 'quotas.destinations']);
const LISTS = new Set([
  'virtualHosts',
  'destinations.appPrefixes',
  'destinations.topicPrefixes',
  'destinations.queuePrefixes',
  'feed.roles',
]);

function merge(defaults: object, given: object, path: string): object {
  const result: Record<string, unknown> = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (!Object.hasOwn(defaults, key)) {
      // The name alone: what was meant for another place may be a secret.
      throw invalid(at, key, `one of ${Object.keys(defaults).join(', ')}`, 'unknown option');
    }
    if (value !== undefined) result[key] = checked(result[key], value, at);
  }
  return result;
}

function checked(standard: unknown, value: unknown, at: string): unknown {
  if (value === false && (ALSO_FALSE.has(at) || at.endsWith('.deadLetter'))) return value;
  if (RULES.has(at)) return value;
  if (at === 'outbox.policies') return checkOverflowRules(value, at);
  if (LISTS.has(at)) {
    if (isTextList(value)) return [...value];
    throw invalid(at, value, 'a list of non-empty strings');
  }
  if (typeof standard === 'object' && standard !== null) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return merge(standard, value, at);
    throw invalid(at, value, 'an object');
  }
  if (typeof standard === 'number') {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw invalid(at, value, 'a finite number, 0 or more');
  }
  if (typeof value === typeof standard) return value;
  throw invalid(at, value, `a ${typeof standard}`);
}

function invalid(path: string, got: unknown, wants: string, what = 'invalid option'): BrokerError {
  return new BrokerError('invalid-option', `${what} ${path}: got ${shown(got)}, wants ${wants}`);
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  return Object.freeze(value);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '');
}

/** Options come from files and from JavaScript: a type says what a value should be, not what it is. */
function isOneOf<T extends string>(value: string, allowed: readonly T[]): value is T {
  return (allowed as readonly string[]).includes(value);
}

/** An alias of YAML may make an object that is part of itself. */
/** What an object holds may be a secret that was meant for another place. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.every((item) => typeof item !== 'object') ? JSON.stringify(value) : 'a list';
  const isFilled = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  return isFilled ? 'an object' : JSON.stringify(value);
}
