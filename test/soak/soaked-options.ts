/** The server that is soaked: everything on, every table bounded small enough to be full soon, so that growth is a leak. */
import type { ServerOptions } from '../../adapters/index.js';

/** Users with a session that stays. */
export const STEADY_USERS = ['u0', 'u1', 'u2'] as const;
/** Users whose messages wait for them. */
export const ABSENT_USERS = ['away0', 'away1'] as const;
/** Users with a durable subscription each. */
export const DURABLE_USERS = ['d0', 'd1'] as const;
export const PASSCODE = 'a passcode';
export const ADMIN_TOKEN = 'the-token-of-the-soak';
export const SOCKET_IO_PATH = '/io';
export const JSON_PATH = '/json';

export const WORK_QUEUES = ['/queue/work/0', '/queue/work/1', '/queue/work/2', '/queue/stored/0'] as const;
export const DEAD_QUEUE = '/queue/dead';
export const ROOMS = 6;
export const KEPT_TOPICS = ['/topic/kept/memory', '/topic/kept/stored'] as const;
/** Large messages, which a slow reader chokes on. */
export const BULK_TOPIC = '/topic/bulk';
export const LASTING_TOPIC = '/topic/lasting';
/** What one session may send in a second; the flooder sends more. */
export const MOST_PER_SECOND = 200;

const LOGINS = [...STEADY_USERS, ...ABSENT_USERS, ...DURABLE_USERS, 'boss'];

export function soakedOptions(data: string): ServerOptions {
  return {
    data,
    connectionLog: { file: `${data}/connections.db`, maxRows: 1_000, cleanUpIntervalMs: 10_000 },
    log: { level: 'warn', pretty: false },
    http: {
      port: 0,
      endpoints: [
        { path: '/ws', sockjs: { heartbeatDelayMs: 1_000, disconnectDelayMs: 1_500, responseLimitBytes: 16_384 } },
      ],
      jsonEndpoints: [jsonEndpoint()],
    },
    tcp: { port: 0 },
    admin: {
      port: 0,
      tokens: [{ name: 'soak', role: 'admin', token: ADMIN_TOKEN }],
      rateLimit: false,
      auditEntries: 50,
    },
    auth: {
      anonymous: true,
      users: LOGINS.map((login) => ({ login, passcode: PASSCODE, roles: login === 'boss' ? ['admin'] : [] })),
      guesses: { maxPerAddress: 1_000, maxPerLogin: 1_000, windowMs: 10_000 },
    },
    broker: {
      nodeId: 'soaked',
      heartBeat: { sendMs: 1_000, receiveMs: 1_000, tolerance: 3 },
      queues: [{ pattern: '/queue/stored/**', durable: true, onExpiry: 'dead-letter' }],
      queueDefaults: {
        onExpiry: 'dead-letter',
        maxDeliveries: 4,
        deadLetter: DEAD_QUEUE,
        backoff: { baseMs: 20, factor: 2, maxMs: 200 },
      },
      history: [
        { pattern: KEPT_TOPICS[0], maxMessages: 300 },
        { pattern: KEPT_TOPICS[1], maxMessages: 300, durable: true },
      ],
      limits: { connectTimeoutMs: 3_000, maxCachedRoutes: 50 },
      quotas: {
        session: { messagesPerSecond: MOST_PER_SECOND, messageBurst: 2 * MOST_PER_SECOND },
        user: { maxConnections: 1_000, messagesPerSecond: 10_000 },
        address: { maxConnections: 10_000, messagesPerSecond: 100_000 },
      },
      outbox: {
        highWaterBytes: 65_536,
        softLimitBytes: 262_144,
        softLimitMs: 1_000,
        hardLimitBytes: 4_194_304,
        policies: [{ pattern: '/topic/latest/**', policy: 'latest-per-key', keyHeader: 'key' }],
      },
      durableSubscriptions: { expireAfterMs: 86_400_000 },
      inbox: { rules: [{ pattern: '/queue/mail/**', maxMessages: 100_000, maxBytes: 2 ** 26 }], recipients: 'any' },
      idempotency: { windowMs: 5_000 },
      presence: { leaveDelayMs: 500 },
      feed: { roles: ['admin'], statsIntervalMs: 1_000 },
    },
  };
}

function jsonEndpoint(): NonNullable<Exclude<NonNullable<ServerOptions['http']>, false>['jsonEndpoints']>[number] {
  const headers = Object.fromEntries(
    ['persistent', 'priority', 'expiration', 'message-key', 'content-type', 'key', 'colour'].map((name) => [
      name,
      `{${name}}`,
    ]),
  );
  const wanted = ['ack', 'selector', 'prefetch-count', 'replay', 'resume-epoch', 'resume-offset'];
  return {
    path: JSON_PATH,
    pingIntervalMs: 1_000,
    timeoutMs: 4_000,
    messages: {
      subscribe: {
        action: 'subscribe',
        destination: '{destination}',
        headers: Object.fromEntries(wanted.map((name) => [name, `{${name}}`])),
        then: { type: 'done', id: '{id}' },
      },
      unsubscribe: { action: 'unsubscribe', destination: '{destination}', then: { type: 'done', id: '{id}' } },
      send: {
        action: 'send',
        destination: '{destination}',
        headers,
        payload: '{payload}',
        then: { type: 'done', id: '{id}' },
      },
      ack: { action: 'ack', id: '{ack}', then: { type: 'done', id: '{id}' } },
      nack: { action: 'nack', id: '{ack}', then: { type: 'done', id: '{id}' } },
    },
    opened: { type: 'opened' },
    delivered: Object.fromEntries([
      ['type', 'message'],
      ...['destination', 'subscription', 'payload', ...DELIVERED_HEADERS].map((name) => [name, `{${name}}`]),
    ]) as Record<string, string>,
  };
}

const DELIVERED_HEADERS = [
  'ack',
  'message-id',
  'redelivered',
  'delivery-count',
  'epoch',
  'offset',
  'recovered',
  'colour',
  'original-destination',
];
