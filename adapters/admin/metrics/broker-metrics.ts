/**
 * The broker's counters as Prometheus reads them. Everything is a number that the broker keeps anyway: a scrape walks no
 * session and no destination, however many there are. Labels have few values, all known beforehand.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Broker } from '../../../broker/broker.js';
import type { StatsSnapshot } from '../../../broker/index.js';
import type { AdministeredServer, WorkerProcessState } from '../admin-parts.js';

const PREFIX = 'hoofbeat_';
/** Within one turn of the event loop to hopelessly late, in seconds. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** One small message to the limit at which a client is cut. */
const OUTBOX_BUCKETS = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 33_554_432];

/** Series are there before their first connection is, or a sum over them would be nothing rather than 0. */
const NO_CONNECTIONS = { tcp: 0, tls: 0, websocket: 0, 'sockjs-websocket': 0 };

/** Codes of limits, there before they are met. */
const NO_REFUSALS: Values = Object.fromEntries(
  [
    'limit-exceeded',
    'rate-limited',
    'connection-limit',
    'login-limited',
    'memory-low',
    'queue-full',
    'store-full',
    'slow-consumer',
    'connect-timeout',
    'frame-timeout',
    'heart-beat-timeout',
    'headers-too-many',
    'header-too-long',
    'body-too-long',
    'destination-invalid',
    'header-invalid',
    'selector-invalid',
    'handler-timeout',
  ].map((code) => [code, 0]),
);

type Report = NonNullable<WorkerProcessState['report']>;

type Values = Readonly<Record<string, number>>;

export class BrokerMetrics {
  readonly #registry = new Registry();
  readonly #broker: Broker;
  readonly #server: Pick<AdministeredServer, 'version' | 'workerStates'>;
  /** Of the scrape at hand: one look for all. */
  #stats: StatsSnapshot;
  #workers: readonly WorkerProcessState[] = [];

  constructor(broker: Broker, server: Pick<AdministeredServer, 'version' | 'workerStates'>) {
    this.#broker = broker;
    this.#server = server;
    this.#stats = broker.stats();
    collectDefaultMetrics({ register: this.#registry });
    this.#addConnections();
    this.#addMessages();
    this.#addContents();
    this.#addState(server.version);
    this.#addMemory();
    this.#addWorkers();
    this.#observe();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  scrape(): Promise<string> {
    this.#stats = this.#broker.stats();
    this.#workers = this.#server.workerStates();
    // For the next scrape: one that waited for a store in trouble would tell nobody of the trouble.
    this.#broker.operations.readQueues().catch(() => undefined);
    return this.#registry.metrics();
  }

  /** The broker outlives its metrics in tests alone. */
  stop(): void {
    this.#broker.operations.observeDeliveries(null);
    this.#registry.clear();
  }

  #addConnections(): void {
    this.#gauges('connections', 'Open connections, by transport', 'transport', ({ connections }) => ({
      ...NO_CONNECTIONS,
      ...connections.byTransport,
    }));
    this.#counter('connections_accepted_total', 'Connections that came', (stats) => stats.connections.total);
    this.#counter('connections_refused_total', 'Connections not let in', (stats) => stats.connections.refused);
    this.#counter(
      'transport_errors_total',
      'Connections that the network ended',
      (stats) => stats.connections.transportErrors,
    );
    this.#counters('connections_closed_total', 'Connections that ended, by reason', 'reason', (stats) => stats.closed);
    this.#counters('handshakes_total', 'Frames that begin and end sessions, by command', 'command', ({ stomp }) => ({
      CONNECT: stomp.connect,
      CONNECTED: stomp.connected,
      DISCONNECT: stomp.disconnect,
    }));
    this.#counter('frames_received_total', 'Frames of clients', (stats) => stats.framesIn);
    this.#counter('frames_sent_total', 'Frames written', (stats) => stats.framesOut);
    this.#counters('refused_total', 'What clients were refused, by code; limits among it', 'code', ({ refused }) => ({
      ...NO_REFUSALS,
      ...refused,
    }));
    this.#counter(
      'rate_limited_total',
      'Frames over a rate: refused, or their clients had to wait',
      (stats) => stats.rateLimited,
    );
    this.#counter(
      'logins_limited_total',
      'CONNECTs refused unasked, after too many wrong credentials',
      (stats) => stats.loginsLimited,
    );
    this.#counter(
      'turns_waited_total',
      'Times that a client with much to do had to wait for others',
      (stats) => stats.turnsWaited,
    );
    this.#counter('errors_sent_total', 'ERROR frames', (stats) => stats.errorsSent);
  }

  #addMessages(): void {
    this.#counter('messages_received_total', 'Messages taken on', (stats) => stats.messagesIn);
    this.#counter('messages_dropped_total', 'Messages for nobody', (stats) => stats.messagesDropped);
    this.#counter('messages_duplicate_total', 'Messages sent before, by message-key', (stats) => stats.duplicates);
    this.#counter('messages_redelivered_total', 'Messages that went out again', (stats) => stats.redelivered);
    this.#counter('messages_dead_lettered_total', 'Messages kept as dead letters', (stats) => stats.deadLettered);
    this.#counter(
      'dead_letters_refused_total',
      'Times that a dead-letter queue had no room: the message stayed in its own',
      (stats) => stats.deadLettersRefused,
    );
    this.#counters('messages_given_up_total', 'Messages given up, by reason', 'reason', (stats) => stats.givenUp);
    this.#counters(
      'messages_given_way_total',
      'Messages lost to slow readers, by policy',
      'policy',
      (stats) => stats.givenWay,
    );
    this.#counter('queue_full_total', 'Messages refused by full queues', (stats) => stats.queueFull);
    this.#counter('histories_given_way_total', 'Histories forgotten for room', (stats) => stats.history.givenWay);
    this.#counters('inbox_total', 'What became of messages for users who were away', 'what', ({ inbox }) => {
      const { kept, delivered, expired, overflow, refused } = inbox;
      return { kept, delivered, expired, overflow, refused };
    });
    this.#counter(
      'history_gaps_total',
      'Times that history was gone before it was read',
      (stats) => stats.history.gaps,
    );
    this.#counter('store_commits_total', 'Times that the store was written to', (stats) => stats.storeCommits);
    this.#counter(
      'store_commit_seconds_total',
      'How long that took together: by the other, a commit on average',
      (stats) => stats.storeCommitMs / 1e3,
    );
    this.#counters('cluster_total', 'What passed between nodes, by kind', 'kind', ({ cluster }) =>
      numbersOf(cluster ?? {}),
    );
  }

  #addContents(): void {
    const { operations, options } = this.#broker;
    this.#gauge('subscriptions', 'Subscriptions', (stats) => stats.subscriptions);
    this.#gauge('users', 'Users with a session', () => operations.userCount);
    this.#gauge('destinations', 'Topics and queues that are remembered', () => operations.destinationCount);
    this.#gauge('queues', 'Of these, queues', () => operations.queueCount);
    this.#gauge('temporary_queues', 'Under /temp-queue', (stats) => stats.temporaryQueues);
    this.#gauge('history_messages', 'Messages in histories', (stats) => stats.history.messages);
    this.#gauge('history_bytes', 'Memory of histories', (stats) => stats.history.bytes);
    this.#gauge('store_pending_bytes', 'On their way to the store', (stats) => stats.storePendingBytes);
    this.#gauge('inbox_messages', 'Messages for users who are away', (stats) => stats.inbox.messages);
    this.#gauge('inbox_bytes', 'Of these', (stats) => stats.inbox.bytes);
    // Named by the configuration, so there are few.
    const all = [options.queueDefaults, ...options.queues].map(({ deadLetter }) => deadLetter);
    const deadLetters = [...new Set(all.filter((name) => typeof name === 'string'))];
    this.#gauges('dead_letters', 'Messages in the dead-letter queues of the configuration', 'queue', () =>
      Object.fromEntries(deadLetters.map((name) => [name, operations.destination(name)?.queue?.depth ?? 0])),
    );
  }

  #addState(version: string): void {
    const { operations } = this.#broker;
    this.#gauge('accepting', '1: connections are let in', () => Number(operations.isAccepting));
    this.#gauge('draining', '1: sessions are sent away', () => Number(operations.drain.state.isActive));
    this.#gauges('problem', '1: this part does not work', 'part', () => {
      const { problems } = this.#broker.health();
      const broken = Object.fromEntries(problems.map(({ part }) => [part, 1]));
      return { store: 0, relay: 0, cluster: 0, connections: 0, memory: 0, ...broken };
    });
    this.#gauges('build_info', 'Always 1; the version is a label', 'version', () => ({ [version]: 1 }));
  }

  #addMemory(): void {
    this.#gauge(
      'memory_stage',
      '0: enough; 1: connections are refused, 2: publishers paused, 3: messages dropped, 4: sessions ended',
      ({ memory }) => memory?.stage ?? 0,
    );
    this.#gauges('memory_used_bytes', 'Memory that the budget is about', 'of', ({ memory }) => ({
      heap: memory?.heapBytes ?? 0,
      total: memory?.totalBytes ?? 0,
    }));
    this.#gauges('memory_budget_bytes', 'What of it may be used', 'of', ({ memory }) => ({
      heap: memory?.heapBudgetBytes ?? 0,
      total: memory?.budgetBytes ?? 0,
    }));
    this.#gauges('memory_held_bytes', 'What it is held for, by kind', 'kind', ({ memory }) =>
      numbersOf(memory?.held ?? {}),
    );
    this.#gauge(
      'publishers_paused',
      'Not read from, as memory is short',
      ({ memory }) => memory?.pausedPublishers ?? 0,
    );
    this.#counter('publisher_pauses_total', 'Times that it came to that', ({ memory }) => memory?.pauses ?? 0);
  }

  /** Without workers there are no series. Those of a worker that has died are not there until it is back. */
  #addWorkers(): void {
    const worker = (name: string, help: string, read: (state: WorkerProcessState) => number): void => {
      this.#gauges(`worker_${name}`, help, 'worker', () =>
        Object.fromEntries(this.#workers.map((state) => [String(state.worker), read(state)])),
      );
    };
    const told = (read: (report: Report) => number | undefined) => (): Values =>
      Object.fromEntries(
        this.#workers.flatMap(({ worker: number, report }) => {
          const value = report === null ? undefined : read(report);
          return value === undefined ? [] : [[String(number), value]];
        }),
      );
    const report = (name: string, help: string, read: (report: Report) => number | undefined): void => {
      this.#gauges(`worker_${name}`, help, 'worker', told(read));
    };
    worker('up', '1: the worker process runs and listens', ({ isListening }) => Number(isListening));
    worker('connections', 'Connections that a worker process holds', ({ connections }) => connections);
    report('heap_bytes', 'Of its heap what counts towards its limit', ({ heapBytes }) => heapBytes);
    report('heap_limit_bytes', 'V8 ends the worker process beyond', ({ heapLimitBytes }) => heapLimitBytes);
    report('memory_bytes', 'Heap and buffers of a worker process', ({ totalBytes }) => totalBytes);
    report('resident_bytes', 'Its memory as the system sees it', ({ residentBytes }) => residentBytes);
    report('sockets', 'Sockets of its listeners that are open', ({ sockets }) => sockets?.open);
    report('max_sockets', 'How many of them its open files allow', ({ sockets }) => sockets?.max);
    report('event_loop_delay_seconds', 'How late its event loop was in the last second or two, 99 %', ({ delay }) =>
      delay === null ? undefined : delay.recentP99Ms / 1_000,
    );
    this.#counters(
      'worker_cpu_seconds_total',
      'Processor time of a worker process',
      'worker',
      told(({ cpuMs }) => cpuMs / 1_000),
    );
  }

  #observe(): void {
    const registers = [this.#registry];
    const latency = new Histogram({
      name: `${PREFIX}delivery_latency_seconds`,
      help: 'From taking a message on until it was with the transport; one in 64 writes is looked at',
      buckets: LATENCY_BUCKETS,
      registers,
    });
    const outbox = new Histogram({
      name: `${PREFIX}outbox_bytes`,
      help: 'Octets that waited for a connection when its turn came; one in 64 writes is looked at',
      buckets: OUTBOX_BUCKETS,
      registers,
    });
    this.#broker.operations.observeDeliveries({
      onDelivered: (tookMs) => {
        latency.observe(tookMs / 1_000);
      },
      onOutbox: (queuedBytes) => {
        outbox.observe(queuedBytes);
      },
    });
  }

  #counter(name: string, help: string, read: (stats: StatsSnapshot) => number): void {
    this.#counters(name, help, null, (stats) => ({ '': read(stats) }));
  }

  #gauge(name: string, help: string, read: (stats: StatsSnapshot) => number): void {
    this.#gauges(name, help, null, (stats) => ({ '': read(stats) }));
  }

  /** The broker counts; the counter here is set anew at each scrape. */
  #counters(name: string, help: string, label: string | null, read: (stats: StatsSnapshot) => Values): void {
    const counter: Counter = new Counter({
      name: PREFIX + name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        for (const [value, count] of Object.entries(read(this.#stats))) {
          counter.inc(label === null ? {} : { [label]: value }, count);
        }
      },
    });
  }

  #gauges(name: string, help: string, label: string | null, read: (stats: StatsSnapshot) => Values): void {
    const gauge: Gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        for (const [value, count] of Object.entries(read(this.#stats))) {
          gauge.set(label === null ? {} : { [label]: value }, count);
        }
      },
    });
  }
}

function numbersOf(counts: object): Values {
  return Object.fromEntries(
    Object.entries(counts).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
