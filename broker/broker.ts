/** One node: takes connections from transports, makes sessions of them, and owns what they share. */
import { randomBytes } from 'node:crypto';
import { closeReason } from './close-reason.js';
import { MemoryWatch } from './memory/memory-watch.js';
import { PublisherHold } from './publisher-hold.js';
import { Quotas } from './quotas/quotas.js';
import { SharedQuotas } from './quotas/shared-quotas.js';
import type { NodeWatches } from './cluster/node-watches.js';
import { checkPorts, type BrokerPorts } from './broker-ports.js';
import type { BrokerError } from './errors.js';
import { healthOf, type Health } from './health.js';
import { FrameWriter } from './frame-writer.js';
import { BrokerCluster } from './cluster/broker-cluster.js';
import { SharedClientIds } from './cluster/client-ids.js';
import { DurableConfirmations } from './cluster/durable-confirmations.js';
import { LeaseGuard } from './cluster/lease-guard.js';
import { NodeQuestions } from './cluster/node-questions.js';
import { BrokerOperations } from './operations/broker-operations.js';
import type { OperatedSession } from './operations/operated-session.js';
import { resolveBrokerOptions, type BrokerOptions, type Partially } from './options.js';
import { Router } from './router.js';
import { Session, type SessionOrigin } from './session.js';
import { SessionRegistry } from './session-registry.js';
import { mergeStats, takeStats, type StatsSnapshot } from './stats-snapshot.js';
import { BrokerStats } from './stats.js';
import { TimerWheel } from './timer-wheel.js';
import { TurnBudget } from './turn-budget.js';
import { HandlerInvoker } from './application/handler-invoker.js';
import {
  HandlerRegistry,
  type ErrorHandler,
  type Handler,
  type HandlerGroup,
  type HandlerOptions,
  type PayloadOf,
  type ReplyOptions,
} from './application/handler-registry.js';
import {
  Interceptors,
  type BrokerInterceptor,
  type InboundInterceptor,
  type OutboundInterceptor,
} from './application/interceptors.js';
import { OutboundChannel } from './application/outbound-channel.js';
import { Requests, type Reply, type RequestOptions } from './application/requests.js';
import { MessagingTemplate, type MessageHeaders } from './application/messaging-template.js';
import { SessionEvents } from './application/session-events.js';
import { UserRegistry } from './application/user-registry.js';
import { MessageHeads } from './message-heads.js';
import { RelayedUsers } from './relay/relayed-users.js';
import { MessageKeys } from './message-keys.js';
import { MessagePublisher } from './message-publisher.js';
import { ReplyAddresses } from './destinations/reply-addresses.js';
import type { PresenceSnapshot } from './presence/watched-topic.js';
import type { PathVariables } from './application/path-variables.js';
import type { StandardSchema } from './application/standard-schema.js';
import type {
  AcceptConnection,
  BrokerRelay,
  Clock,
  ClusterMembers,
  Connection,
  ConnectionListener,
  ConnectionRefusal,
  EntryTerms,
  Handshake,
  NodeRelay,
} from './ports.js';
import { Journal } from './storage/journal.js';
import { MessageNumbers } from './storage/message-numbers.js';
import type { SessionEnvironment } from './session-environment.js';
import { paceOf } from './shutdown-options.js';

/** How often a stopping broker looks whether its sessions are gone. */
const STOP_CHECK_MS = 10;

export class Broker implements HandlerGroup {
  readonly options: BrokerOptions;
  /** Who is connected to this node; `cluster` has the users of all nodes. */
  readonly users: UserRegistry;
  /** What happens to sessions of this node. */
  readonly events: SessionEvents;
  /** What operators of this node see and do. */
  readonly operations: BrokerOperations;
  /** What operators see and do over all nodes; of this one alone where there are no others. */
  readonly cluster: BrokerCluster<StatsSnapshot>;
  readonly #questions: NodeQuestions;
  readonly #handlers: HandlerRegistry;
  readonly #template: MessagingTemplate;
  readonly #requests: Requests;
  readonly #environment: SessionEnvironment;
  readonly #numbers: MessageNumbers;
  readonly #relay: BrokerRelay | null;
  readonly #relayedUsers: RelayedUsers | null;
  readonly #nodeRelay: NodeRelay | null;
  readonly #members: ClusterMembers | null;
  /** Null: there are no other nodes. */
  readonly #watches: NodeWatches | null;
  readonly #sharedQuotas: SharedQuotas | null;
  /** Null: nobody watches it. */
  readonly #memory: MemoryWatch | null;
  #isAccepting = false;
  /** Another node has its name: nobody counts on this one. */
  #isReplaced = false;
  /** Null unless a start is under way. */
  #starting: Promise<void> | null = null;
  /** Null unless a stop is under way. */
  #stopping: Promise<void> | null = null;
  /** By the clock: when a stop cuts who has not gone. */
  #cutAtMs = 0;
  /** What the store held was taken up. */
  #hasRestored = false;

  /** @throws BrokerError `invalid-option` */
  constructor(options: Partially<BrokerOptions>, ports: BrokerPorts) {
    const resolved = resolveBrokerOptions(options);
    checkPorts(resolved, ports);
    this.options = resolved;
    const stats = new BrokerStats();
    const wheel = new TimerWheel(ports.clock);
    const registry = new SessionRegistry<OperatedSession>();
    const users = new UserRegistry();
    const { members = null, tracing = null } = ports;
    const nodeId = members?.nodeId ?? (resolved.nodeId === '' ? createId(6) : resolved.nodeId);
    const messageIdPrefix = `${nodeId}-`;
    const numbers = new MessageNumbers();
    const nextMessageId = (): number => numbers.next();
    const { clock, logger, authenticator, store = null, relay = null, nodeRelay = null, nodeHistories = null } = ports;
    const { maxPendingBytes } = resolved.store;
    const journal =
      store === null
        ? null
        : new Journal({ store, clock, logger, maxPendingBytes, caughtUp: () => members?.caughtUp() });
    const keys = new MessageKeys(resolved.idempotency, { clock, stats, journal });
    const createToken = (): string => createId(16);
    const replyAddresses = new ReplyAddresses(createToken, nodeRelay === null ? null : createId(6));
    const budget = new TurnBudget(clock, resolved.limits.turnBudgetMs);
    const router = new Router(resolved, {
      budget,
      stats,
      users,
      wheel,
      clock,
      logger,
      journal,
      nextMessageId,
      userOf: (sessionId) => registry.get(sessionId)?.principal?.name ?? null,
      isHere: (sessionId) => registry.get(sessionId) !== undefined,
      replyAddresses,
      createEpoch: () => createId(9),
      nodeId,
      relay,
      nodeRelay,
      nodeHistories,
      refuse: (sessionId, error) => {
        registry.get(sessionId)?.refuse(error);
      },
      onOverflow: (subscription) => {
        registry.get(subscription.sessionId)?.onSlowConsumer(subscription.outbox.queuedBytes);
      },
    });
    const authorizer = ports.authorizer ?? null;
    const guard = members === null ? null : new LeaseGuard(members, () => router.durables.learned());
    const { separator, maxLengthBytes } = resolved.destinations;
    const quotas = new Quotas(resolved.quotas, { clock, wheel, separator, maxLengthBytes });
    const interceptors = new Interceptors(clock, resolved.handlers.deadlineMs);
    const events = new SessionEvents(logger);
    const { relayed, users: destinations } = router;
    this.#relayedUsers =
      relay === null || relayed === null
        ? null
        : new RelayedUsers({ relay, relayed, destinations, users, clock, logger, nodeId: createId(9) });
    const publisher = new MessagePublisher({
      router,
      users: destinations,
      interceptors,
      stats,
      nextMessageId,
      relayedUsers: this.#relayedUsers,
      tracing,
    });
    const handlers = new HandlerRegistry(separator);
    const { cluster } = router;
    this.#questions = new NodeQuestions({ cluster, members, nodeId, clock, logger, createId: createToken });
    const clientIds =
      journal?.isShared === true
        ? new SharedClientIds({ journal, questions: this.#questions, registry, epochMs: () => clock.epochMs() })
        : null;
    const { memory: processMemory = null } = ports;
    this.#memory =
      processMemory === null || !resolved.memory.enabled
        ? null
        : new MemoryWatch(resolved.memory, { memory: processMemory, registry, destinations: router, clock, logger });
    const memory = this.#memory?.guard ?? null;
    const tracesFrames = logger.level === 'debug' || logger.level === 'trace';
    this.#environment = {
      clock,
      logger,
      authenticator,
      authorizer,
      journal,
      keys,
      publisher,
      users,
      interceptors,
      outbound: new OutboundChannel(interceptors, logger, messageIdPrefix),
      events,
      invoker: new HandlerInvoker({
        registry: handlers,
        publisher,
        journal,
        options: resolved,
        clock,
        logger,
        stats,
        nextMessageId,
        tracing,
      }),
      decodesAll: tracesFrames || resolved.userIdHeader,
      options: resolved,
      wheel,
      writer: new FrameWriter(ports.clock, wheel, resolved.limits.turnBudgetMs),
      router,
      registry,
      stats,
      quotas,
      guard,
      clientIds,
      budget,
      hold:
        nodeRelay === null && memory === null
          ? null
          : new PublisherHold(nodeRelay, nodeRelay === null ? null : journal, memory),
      memory,
      heads: new MessageHeads(messageIdPrefix),
      messageIdPrefix,
      tracesFrames,
      tracing,
      tap: null,
      nextMessageId,
      createId: createToken,
    };
    this.operations = new BrokerOperations({
      environment: this.#environment,
      handlers,
      isAccepting: () => this.#isAccepting && !this.#isReplaced,
      lastMessageNumber: () => numbers.last,
    });
    this.cluster = new BrokerCluster({
      questions: this.#questions,
      operations: this.operations,
      members,
      nodeId,
      stats: () => this.stats(),
      mergeStats: (all) => mergeStats(all, router.inbox.shared !== null),
      health: () => this.health(),
    });
    this.#handlers = handlers;
    this.#relay = relay;
    this.#nodeRelay = nodeRelay;
    this.#members = members;
    const { serverTopics } = router;
    this.#watches =
      nodeRelay === null
        ? null
        : serverTopics.joinNodes({ relay: nodeRelay, members, name: createId(12), clock, logger });
    this.#sharedQuotas =
      this.#watches === null
        ? null
        : new SharedQuotas({ quotas, nodes: this.#watches, topic: router.kinds.reserved.quotaTalk, clock, wheel });
    members?.listen({
      onJoined: () => {
        this.#isReplaced = false;
      },
      onReplaced: () => {
        this.#isReplaced = true;
        for (const session of registry.values()) session.close('server-shutdown');
      },
      onNodeJoined: (peer) => {
        serverTopics.feed.emit({ type: 'node-joined', peer });
      },
      onNodeGone: (peer) => {
        serverTopics.feed.emit({ type: 'node-left', peer });
      },
    });
    if (journal?.isShared === true) meetNodes(journal, this.#environment, members);
    // Without a list of nodes nobody knows whom to wait for.
    if (journal?.isShared === true && members !== null) confirmDurables(router, this.#questions, clock);
    this.users = users;
    this.events = events;
    const template = new MessagingTemplate(publisher, journal, keys, guard);
    this.#template = template;
    this.#requests = new Requests({
      template,
      router,
      addresses: replyAddresses,
      wheel,
      clock,
      stats,
      createId: createToken,
    });
    this.#numbers = numbers;
    router.serverTopics.feed.connect({
      counts: () => stats.feedCounts,
      stats: () => this.stats(),
      health: () => this.health(),
    });
    if (router.inbox.source !== null) {
      events.on('connected', ({ session }) => {
        const name = session.user?.name ?? null;
        if (name !== null) router.inbox.connected(name);
      });
    }
    authorizer?.onChange?.(() => {
      for (const session of registry.values()) session.forgetAllowed();
    });
  }

  /**
   * Handles SENDs to `/app` + pattern (Spring: `@MessageMapping`). The result goes to `/topic` + the path unless `options`
   * say otherwise; nothing when it is undefined or null.
   * @throws BrokerError `handler-exists`
   */
  message<const Pattern extends string, Schema extends StandardSchema | undefined = undefined>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, PayloadOf<Schema>>,
    options?: HandlerOptions<Schema>,
  ): this {
    this.#handlers.message(pattern, handler, options);
    return this;
  }

  /**
   * Handles SUBSCRIBEs to `/app` + pattern (Spring: `@SubscribeMapping`); the result goes straight to the subscription.
   * @throws BrokerError `handler-exists`
   */
  subscribeMapping<const Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, unknown>,
    options?: HandlerOptions,
  ): this {
    this.#handlers.subscribeMapping(pattern, handler, options);
    return this;
  }

  /** What handlers throw, when no group of theirs takes it (Spring: `@MessageExceptionHandler`). */
  onError(handler: ErrorHandler, options?: ReplyOptions): this {
    this.#handlers.onError(handler, options);
    return this;
  }

  /** Handlers under a common prefix (Spring: `@MessageMapping` on a class). */
  group(prefix: string, register: (group: HandlerGroup) => void): this {
    this.#handlers.group(prefix, register);
    return this;
  }

  /**
   * Sends from the application's own code: text as text, octets as octets, anything else as JSON. Usable before and after
   * start; resolves when accepted.
   * @throws BrokerError `payload-invalid`, `destination-…`, `queue-full`
   */
  convertAndSend(destination: string, payload: unknown, headers?: MessageHeaders): Promise<void> {
    return this.#template.convertAndSend(destination, payload, headers);
  }

  /**
   * Sends to every session of a user, or to one.
   * @param destination behind the user, e.g. `/queue/orders`
   * @throws BrokerError as `convertAndSend`
   */
  convertAndSendToUser(
    user: string,
    destination: string,
    payload: unknown,
    headers?: MessageHeaders,
    options?: { readonly session?: string | undefined },
  ): Promise<void> {
    return this.#template.convertAndSendToUser(user, destination, payload, headers, options);
  }

  /**
   * Sends `payload` with a `reply-to` of its own and a `correlation-id`, and resolves with the first reply that comes there,
   * whoever sends it. Usable before start; what is sent to nobody has no reply and times out.
   * @throws BrokerError `request-timeout` after `timeoutMs`, `server-shutdown` when the broker stops, `payload-invalid` when
   * the reply does not fit, `invalid-option` for `timeoutMs`; and as `convertAndSend`
   */
  request<Schema extends StandardSchema | undefined = undefined>(
    destination: string,
    payload: unknown,
    options: RequestOptions<Schema> = {},
  ): Promise<Reply<PayloadOf<Schema>>> {
    return this.#requests.request(destination, payload, options);
  }

  /**
   * Who is subscribed to a topic now, as `/topic/$presence/…` tells it.
   * @param topic the topic itself, e.g. `/topic/rooms/1`; no pattern
   * @throws BrokerError `destination-invalid`, `destination-unknown` when presence is switched off, `limit-exceeded`
   */
  async presence(topic: string): Promise<PresenceSnapshot> {
    const { presence } = this.#environment.router.serverTopics;
    const known = presence.watch(topic);
    try {
      await known;
      return presence.snapshot(topic);
    } finally {
      presence.unwatch(topic);
    }
  }

  /** Sees every frame of clients before anything else does (Spring: client inbound channel). */
  interceptInbound(interceptor: InboundInterceptor): void {
    this.#environment.interceptors.addInbound(interceptor);
    this.#environment.decodesAll = true;
  }

  /** Sees CONNECTED, MESSAGE and RECEIPT on their way out (Spring: client outbound channel). */
  interceptOutbound(interceptor: OutboundInterceptor): void {
    this.#environment.interceptors.addOutbound(interceptor);
    this.#environment.writer.interceptsOutbound = true;
  }

  /** Sees every message that enters the broker (Spring: broker channel). */
  interceptBroker(interceptor: BrokerInterceptor): void {
    this.#environment.interceptors.addBroker(interceptor);
    this.#environment.decodesAll = true;
  }

  /**
   * Opens the store and takes up what it holds; then connections are accepted. Without a store that is at once. A broker
   * that was stopped can be started again when it has no store; with one, another broker can be made on the same store.
   * @throws Error of one line when the store cannot be used, or when the broker is started already
   */
  start(): Promise<void> {
    const { journal } = this.#environment;
    if (this.#isAccepting || this.#starting !== null) {
      return Promise.reject(new Error('Broker.start: the broker is started already'));
    }
    if (journal === null && this.#nodeRelay === null && this.#members === null) {
      this.#accept();
      return Promise.resolve();
    }
    if (this.#hasRestored) {
      const message = 'Broker.start: a broker with a store is started once, as it has taken up what the store holds';
      return Promise.reject(new Error(`${message}; make another one`));
    }
    this.#starting = this.#prepare(journal).then(
      () => {
        this.#starting = null;
        this.#accept();
      },
      (error: unknown) => {
        this.#starting = null;
        throw error;
      },
    );
    return this.#starting;
  }

  /** This node becomes one of the cluster, what the store holds is taken up, then the other nodes are met, as far as they can be. */
  async #prepare(journal: Journal | null): Promise<void> {
    if (this.#members !== null) await this.#members.start();
    if (journal !== null) await this.#restore(journal);
    await this.#nodeRelay?.start({
      onMessage: (destination, octets) => {
        this.#environment.router.receive(destination, octets);
      },
      onAvailable: (available) => {
        const { gaps, dropped } = this.#nodeRelay?.counts ?? { gaps: 0, dropped: 0 };
        const type = available ? 'nodes-reachable' : 'nodes-unreachable';
        this.#environment.router.serverTopics.feed.emit({ type, gaps, dropped });
        if (available) this.#watches?.met();
        this.events.emit('availability', { available });
      },
    });
    await this.#environment.router.sharedHistories?.start();
    this.#watches?.start();
    if (this.#environment.quotas.isShared) this.#sharedQuotas?.start();
  }

  #restore(journal: Journal): Promise<void> {
    const { router, keys } = this.#environment;
    router.sharedQueues?.start();
    router.inbox.shared?.start();
    return journal.open(async (contents) => {
      this.#hasRestored = true;
      if (!journal.isShared) {
        this.#numbers.restore(contents.records, journal);
        keys.restore(contents.records);
      }
      await router.restore(contents);
      await router.inbox.restore(contents);
    });
  }

  #accept(): void {
    this.#isAccepting = true;
    this.#environment.memory?.start();
    this.#requests.start();
    if (this.#relay !== null) this.#startRelay(this.#relay);
    // A relay between nodes has told already.
    else if (this.#nodeRelay === null) this.events.emit('availability', { available: true });
  }

  /** The external broker comes and goes; what is this node's own stays available. */
  #startRelay(relay: BrokerRelay): void {
    this.#relayedUsers?.start();
    relay.start({
      onAvailable: (available) => {
        this.events.emit('availability', { available });
      },
    });
  }

  /** Whether everything works. */
  health(): Health {
    return healthOf({
      store: this.#environment.journal?.problem ?? null,
      relay: (this.#relay ?? this.#nodeRelay)?.problem ?? null,
      cluster: this.#members?.problem ?? null,
      connections: this.operations.shortage,
      memory: this.#memory?.guard.problem ?? null,
    });
  }

  /**
   * A transport's new connection. Null when the node is full, very short of memory, not started, draining, or stopping.
   * @param terms null: it is let in as everybody
   */
  accept(connection: Connection, terms: EntryTerms | null = null): ConnectionListener | null {
    const { registry, stats, wheel, logger, quotas, memory } = this.#environment;
    stats.connectionsTotal++;
    const { isAccepting, maxConnections } = this.operations;
    // Who only looks is how operators see what is wrong.
    const shortage = terms?.isObserver === true ? null : (memory?.refusal() ?? null);
    const isCurt = shortage !== null && memory?.isCurt === true;
    if (!isAccepting || registry.size >= maxConnections || isCurt) {
      stats.connectionsRefused++;
      const code = !isAccepting ? 'server-shutdown' : isCurt ? 'memory-low' : 'limit-exceeded';
      stats.countRefusal(code);
      logger.warn(
        { code, remoteAddress: connection.remoteAddress, transport: connection.transport },
        'connection refused',
      );
      return null;
    }
    wheel.touch();
    const origin = this.#originOf(connection, terms);
    const refusal = shortage ?? quotas.refusal(origin.address);
    const session =
      refusal === null
        ? new Session(createId(16), connection, this.#environment, origin)
        : new Session(createId(16), connection, this.#environment, { address: null, handshake: null, terms });
    registry.add(session);
    stats.countTransport(connection.transport, 1);
    if (refusal !== null) {
      stats.connectionsRefused++;
      session.refuse(refusal);
    }
    return session;
  }

  /** What transports are given: `accept`, and what they may ask before. */
  readonly acceptor: AcceptConnection = this.acceptorFor(null);

  /** As `acceptor`, for a way in of its own. */
  acceptorFor(terms: EntryTerms | null): AcceptConnection {
    const accept = (connection: Connection): ConnectionListener | null => this.accept(connection, terms);
    const shortage = (): ConnectionRefusal | null => {
      const error = terms?.isObserver === true ? null : (this.#environment.memory?.refusal() ?? null);
      return error === null ? null : this.#refused(error, true);
    };
    return Object.assign(accept, {
      shortage,
      refusal: (remoteAddress: string, handshake: Handshake): ConnectionRefusal | null => {
        const { quotas } = this.#environment;
        const short = shortage();
        if (short !== null) return short;
        const error = quotas.refusal(quotas.addressOf(remoteAddress, handshake));
        return error === null ? null : this.#refused(error, false);
      },
    });
  }

  #refused({ code, message, retryAfterMs = 0 }: BrokerError, isServers: boolean): ConnectionRefusal {
    const { stats } = this.#environment;
    stats.countRefusal(code);
    stats.connectionsTotal++;
    stats.connectionsRefused++;
    return { message, retryAfterMs, isServers };
  }

  #originOf(connection: Connection, terms: EntryTerms | null): SessionOrigin {
    const { quotas } = this.#environment;
    if (!quotas.countsAddresses) return { address: null, handshake: null, terms };
    const handshake = connection.takeHandshake();
    return { address: quotas.addressOf(connection.remoteAddress, handshake), handshake, terms };
  }

  stats(): StatsSnapshot {
    const cluster = this.#nodeRelay?.counts ?? null;
    return takeStats({ environment: this.#environment, cluster, memory: this.#memory?.snapshot ?? null });
  }

  /**
   * Ends every session, at the pace of `options.shutdown`: who is asked to go gets nothing more from queues and may settle
   * what it holds; what is queued is written, WebSockets close with 1001. Resolves when all connections are gone; those that
   * have not closed by then are cut, and the store is closed. A start under way is let finish before.
   * @param deadlineMs for all of it; default `shutdown.deadlineMs`, 0 cuts everybody. Of a call while another is at work:
   * whoever is left is told to go now, and cut by then.
   */
  stop(deadlineMs = this.options.shutdown.deadlineMs): Promise<void> {
    const untilMs = this.#environment.clock.nowMs() + deadlineMs;
    if (this.#stopping !== null) {
      this.#cutAtMs = Math.min(this.#cutAtMs, untilMs);
      this.operations.drain.hurry();
      return this.#stopping;
    }
    this.#cutAtMs = untilMs;
    this.#stopping = this.#stop(deadlineMs).finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#starting !== null) await this.#starting.catch(() => undefined);
    const isAvailable = ((this.#relay ?? this.#nodeRelay)?.problem ?? null) === null;
    if (this.#isAccepting && isAvailable) this.events.emit('availability', { available: false });
    this.#isAccepting = false;
    const { registry, journal, budget, memory } = this.#environment;
    // Publishers that wait for memory have something to settle, and are to hear of their end.
    memory?.stop();
    // What was decided is to reach those who are there, and other nodes.
    if (budget.isRunning) await this.#until(() => !budget.isRunning);
    await this.#sendAway(deadlineMs);
    this.#requests.stop();
    this.#questions.stop();
    for (const session of registry.values()) session.connection.destroy(closeReason('server-shutdown'));
    this.#relayedUsers?.stop();
    await this.#relay?.stop();
    await this.#environment.router.sharedHistories?.stop();
    this.#sharedQuotas?.stop();
    this.#watches?.stop();
    await this.#nodeRelay?.stop();
    this.events.close();
    this.#environment.router.sharedQueues?.stop();
    this.#environment.router.inbox.shared?.stop();
    await journal?.close();
    // Last: the others take back what a node holds when it has left.
    await this.#members?.stop();
  }

  /** Resolves when all are gone, or when they are to be cut. */
  async #sendAway(deadlineMs: number): Promise<void> {
    const { registry, budget } = this.#environment;
    const { drain } = this.operations;
    if (registry.size > 0) {
      let haveAllBeenTold = false;
      drain.leave(paceOf(this.options.shutdown, registry.size, deadlineMs), () => (haveAllBeenTold = true));
      if (deadlineMs === 0) drain.hurry();
      await this.#until(() => haveAllBeenTold && registry.size === 0 && !budget.isRunning);
    }
    drain.cancel();
  }

  /** Resolves when it is so, or when a stop cuts who has not gone. */
  #until(isSo: () => boolean): Promise<void> {
    const { clock } = this.#environment;
    return new Promise((resolve) => {
      const stop = clock.every(STOP_CHECK_MS, () => {
        if (!isSo() && clock.nowMs() < this.#cutAtMs) return;
        stop();
        resolve();
      });
    });
  }
}

/** Queues, inboxes and client-ids that nodes share are told of what the store says, and of nodes that come and go. */
function meetNodes(journal: Journal, { router, clientIds }: SessionEnvironment, members: ClusterMembers | null): void {
  const { sharedQueues: queues, durables, inbox } = router;
  if (queues === null) return;
  journal.listen({
    onWake: (stream) => {
      queues.onWake(stream);
    },
    onInbox: (user) => {
      inbox.shared?.onInbox(user);
    },
    onUserMessage: (message) => {
      inbox.shared?.onUserMessage(message);
    },
    onDisplaced: (sessionId) => {
      clientIds?.onDisplaced(sessionId);
    },
    onAnnounced: (name) => {
      durables.onAnnounced(name);
    },
    onReachable: () => {
      clientIds?.claimAgain();
      durables.lookAgain();
      queues.lookAgain();
      inbox.lookAgain();
    },
  });
  members?.listen({
    onJoined: () => {
      // Who was given up was not waited for; at its start a node reads the store behind this.
      if (journal.isOpen) durables.lookAgain();
      queues.onJoined();
      inbox.shared?.onJoined();
      clientIds?.onNodeGone(null);
      clientIds?.claimAgain();
    },
    onGivenUp: () => {
      queues.onGivenUp();
      inbox.shared?.onGivenUp();
    },
    onNodeGone: (incarnation) => {
      queues.onNodeGone(incarnation);
      inbox.shared?.onNodeGone(incarnation);
      clientIds?.onNodeGone(incarnation);
    },
  });
}

/** RECEIPT for a durable subscription says that all nodes know of it. */
function confirmDurables({ durables }: Router, questions: NodeQuestions, clock: Clock): void {
  const confirmations = new DurableConfirmations({ questions, clock, learn: (binding) => durables.learn(binding) });
  durables.joinNodes((binding) => confirmations.confirm(binding));
}

/** Letters, digits, `-` and `_`; no `-` at its head, as it would be an option where a command line names a session. */
function createId(bytes: number): string {
  return randomBytes(bytes).toString('base64url').replace(/^-/, '_');
}
