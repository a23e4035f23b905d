/** What requests and answers of the admin API look like; names and descriptions are those of its document. */
import { z } from 'zod';

const count = z.int().min(0);
const bytes = z.int().min(0);
const time = z.iso.datetime().describe('ISO 8601 in UTC');
const text = z.string();

export const MAX_PAGE = 1_000;

/** What every list takes. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100).describe('Most items of one page'),
  cursor: z.string().min(1).max(4_096).optional().describe('`next` of the page before; same order and filters'),
};

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: text.nullable().describe('Cursor of the next page; null: this was the last one'),
    total: count.describe('How many there are at the moment, whatever the filters'),
  });
}

export const connection = z.object({
  id: text.describe('Of its session'),
  transport: text,
  remoteAddress: text,
  state: z.enum(['awaiting-connect', 'authenticating', 'connected', 'closing', 'closed']),
  user: text.nullable(),
  connectedAt: time,
  silentForMs: z.int().min(0).describe('Since octets arrived last, to about 50 ms'),
  queuedBytes: bytes.describe('In the outbox'),
  transportBytes: bytes.describe('With the transport, not sent yet'),
});

export const session = connection.extend({
  version: z.enum(['1.0', '1.1', '1.2']),
  clientId: text.nullable(),
  roles: z.array(text),
  subscriptions: count,
  heartBeat: z
    .object({ sendMs: z.int().min(0), receiveMs: z.int().min(0) })
    .describe('As negotiated: what the server sends and wants; 0 is never'),
  writtenAgoMs: z.int().min(0).describe('Since octets left last, to about 50 ms'),
});

export const subscription = z.object({
  sessionId: text,
  number: z.int().min(1).describe('Names the subscription within its session'),
  id: text.nullable().describe('As the client named it; null on STOMP 1.0 without one'),
  destination: text,
  user: text.nullable(),
  ack: z.enum(['auto', 'client', 'client-individual']),
  window: count.describe('Most deliveries that may wait for their ACK'),
  pending: count.describe('Deliveries that wait for their ACK'),
  selector: text.nullable(),
  isExclusive: z.boolean(),
  isBrowser: z.boolean(),
  durableName: text.nullable(),
});

export const user = z.object({
  name: text,
  sessions: count,
  sessionIds: z.array(text).describe('The first hundred'),
});

export const queue = z.object({
  destination: text,
  depth: count.describe('Messages that wait, for a consumer or for their time'),
  bytes: bytes.describe('Of these'),
  delayed: count.describe('Messages that wait for their time'),
  unsettled: count.describe('Delivered and not settled'),
  consumers: count,
  deadLetter: text.nullable().describe('Where messages go that are given up; null: nowhere'),
  isDurable: z.boolean().describe('Every message is stored'),
});

export const destination = z.object({
  destination: text,
  kind: z.enum(['topic', 'queue']),
  subscribers: count.describe('To this very name; subscriptions to patterns are not among them'),
  depth: count.describe('Of a queue: messages that wait'),
  history: z.object({ messages: count, bytes }).nullable().describe('Of a topic that keeps messages'),
});

export const queueMessage = z.object({
  number: z.int().min(1).describe('Names the message within its queue'),
  messageId: text,
  priority: z.int().min(0).max(9),
  deliveries: count,
  isStored: z.boolean(),
  expiresAt: time.nullable(),
  headers: z.array(z.tuple([text, text])).describe('Names and values, in the order of the frame'),
  body: text.describe('Text, or base64'),
  encoding: z.enum(['utf8', 'base64']),
  bodyBytes: bytes,
  isCut: z.boolean().describe('Only the first part of the body is shown'),
});

export const tappedLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('tap'), node: text }).describe('The first line: from now on'),
  z.object({
    type: z.literal('frame'),
    number: z.int().min(1).describe('Counts what was shown'),
    at: time,
    session: text,
    direction: z.enum(['in', 'out']).describe('`in`: from the client'),
    user: text.nullable(),
    transport: text,
    command: text,
    headers: z.array(z.tuple([text, text])).describe('Names and values, in the order of the frame; secrets masked'),
    body: text.describe('Text, or base64'),
    encoding: z.enum(['utf8', 'base64']),
    bodyBytes: bytes,
    isCut: z.boolean().describe('Only the first part of the body is shown'),
  }),
  z
    .object({ type: z.literal('missed'), count: z.int().min(1) })
    .describe('So many more were meant: over `perSecond`, or faster than they were read'),
  z.object({ type: z.literal('idle') }).describe('Nothing to say for 15 s'),
]);

export const auditEntry = z.object({
  number: z.int().min(1),
  at: time,
  actor: text,
  role: z.enum(['viewer', 'operator', 'admin']),
  address: text,
  operation: text,
  subject: z.record(z.string(), z.unknown()),
  outcome: text.describe('`done`, or the code of the problem that refused it'),
});

export const health = z.object({
  isLive: z.literal(true),
  isReady: z.boolean().describe('Takes connections, and can store what it is to store'),
  isDegraded: z.boolean().describe('Something does not work; clients of what does are served'),
  problems: z.array(z.object({ part: text, code: text, message: text, since: time })),
});

/** As `MemorySnapshot` of the broker has it. */
const memory = z
  .object({
    stage: z
      .int()
      .min(0)
      .max(4)
      .describe('0: enough; 1: connections are refused, 2: publishers paused, 3: messages dropped, 4: sessions ended'),
    used: z.number().min(0).describe('Part that is taken of what is nearest to its end; 1 is all of it'),
    scarce: z
      .enum(['heap', 'total', 'worker-heap'])
      .describe('What that is: the heap of the broker, or of a worker, or the memory of all processes'),
    heapBytes: bytes.describe("Of V8's heap in the broker's process"),
    heapBudgetBytes: bytes,
    totalBytes: bytes.describe('Heap and buffers, of all processes of the server'),
    budgetBytes: bytes,
    residentBytes: bytes.describe('As the system sees it, of all processes'),
    held: z
      .object({ outboxes: bytes, transports: bytes, inputs: bytes, queues: bytes, histories: bytes, inboxes: bytes })
      .describe('What it is held for; what waits for several clients counts for each'),
    pausedPublishers: count.describe('Not read from at the moment'),
    pauses: count.describe('Times that it came to that'),
  })
  .nullable()
  .describe('Null: nobody watches it');

const workerProcess = z.object({
  worker: z.int().min(1),
  processId: z.int().nullable().describe('Null: it has died and is started again'),
  isListening: z.boolean(),
  connections: count,
  report: z
    .object({
      heapBytes: bytes.describe("Of V8's heap what counts towards its limit"),
      heapLimitBytes: bytes.describe('V8 ends the process when its heap grows beyond'),
      totalBytes: bytes.describe('Heap and buffers'),
      residentBytes: bytes,
      cpuMs: z.int().min(0).describe('Of all processors, since it began'),
      delay: z.object({ recentP99Ms: z.number(), recentMaxMs: z.number() }).nullable().describe('Of its event loop'),
      sockets: z
        .object({ open: count, max: count.describe('What its open files (ulimit -n) leave for sockets') })
        .nullable(),
    })
    .nullable()
    .describe('As of the last second; null: it has told nothing yet'),
});

export const stats = z.object({
  server: z.object({
    nodeId: text.describe('Of the node that answers'),
    version: text,
    startedAt: time,
    uptimeMs: z.int().min(0),
    processId: z.int(),
    workers: z.int().min(1),
    workerProcesses: z.array(workerProcess).describe("Those that have the clients' sockets; none with one worker"),
    memory: z.object({ rssBytes: bytes, heapUsedBytes: bytes, externalBytes: bytes }),
    cpuMs: z.int().min(0).describe('Of all processors, since the process began'),
    eventLoopDelay: z.object({
      p50Ms: z.number(),
      p99Ms: z.number(),
      maxMs: z.number(),
      recentP99Ms: z.number().describe('Since it was asked last, a second at least'),
      recentMaxMs: z.number(),
    }),
  }),
  sessions: z
    .object({
      total: count.describe('Since start'),
      current: count,
      tcp: count,
      webSocket: count,
      httpStreaming: count,
      httpPolling: count,
      closedAbnormally: z.object({ sendLimit: count, noMessages: count, transportError: count }),
    })
    .describe('As WebSocketMessageBrokerStats of Spring counts them'),
  users: count,
  destinations: count,
  outbox: z
    .object({ queuedBytes: bytes, transportBytes: bytes, largestBytes: bytes.describe('Of one session') })
    .describe('What waits for all clients together; as of the last second'),
  drain: z.object({ isActive: z.boolean(), perSecond: z.number(), remaining: count }),
  broker: z.looseObject({ memory }).describe('Every counter of the broker, as `broker.stats()` has them'),
});

/** Of what was asked of all nodes. */
export const missing = z
  .array(text)
  .describe('Nodes that did not answer in time: what was asked may have happened there or not');

export const clusterSession = z.object({
  id: text,
  nodeId: text.describe('Where it is'),
  user: text.nullable(),
  transport: text,
  remoteAddress: text,
  version: text,
  subscriptions: count,
});
export const clusterUser = z.object({ name: text, sessions: z.array(clusterSession) });
export const node = z.object({
  nodeId: text,
  incarnation: text.nullable().describe('Of this run; null without other nodes'),
  isOk: z.boolean(),
  isAccepting: z.boolean().describe('New connections are let in'),
  sessions: count,
  users: count,
  subscriptions: count,
});

/** Of ending sessions. */
export const endQuery = z.strictObject({
  reason: text
    .min(1)
    .max(500)
    .optional()
    .describe('Told to the client in an ERROR frame; without it the connection just closes'),
});

/** What is sent; one of `body` and `base64`. */
export const outgoing = {
  body: z.unknown().optional().describe('Text is sent as text, anything else as JSON'),
  base64: z.base64().optional().describe('Octets, instead of `body`'),
  headers: z
    .record(z.string().min(1).max(256), z.string().max(16_384))
    .optional()
    .describe('Further headers of the message, e.g. `persistent`'),
};

export const change = z.object({ path: text, from: z.unknown(), to: z.unknown() });
