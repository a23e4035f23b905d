/**
 * One node, as applications, transports and operators have it: the door to its parts, each of which is a file of its own.
 * What the parts are and how they are joined: compose-node.ts; how they begin and end: lifecycle.ts.
 */
import type {
  ErrorHandler,
  Handler,
  HandlerGroup,
  HandlerOptions,
  PayloadOf,
  ReplyOptions,
} from './application/handler-registry.js';
import type { BrokerInterceptor, InboundInterceptor, OutboundInterceptor } from './application/interceptors.js';
import type { MessageHeaders } from './application/messaging-template.js';
import type { PathVariables } from './application/path-variables.js';
import type { Reply, RequestOptions } from './application/requests.js';
import type { SessionEvents } from './application/session-events.js';
import type { StandardSchema } from './application/standard-schema.js';
import type { UserRegistry } from './application/user-registry.js';
import { checkPorts, type BrokerPorts } from './broker-ports.js';
import { BrokerCluster } from './cluster/broker-cluster.js';
import { composeNode, type NodeParts } from './compose-node.js';
import { Entrance } from './entrance.js';
import { healthOf, type Health } from './health.js';
import { Lifecycle } from './lifecycle.js';
import { BrokerOperations } from './operations/broker-operations.js';
import { resolveBrokerOptions, type BrokerOptions, type Partially } from './options.js';
import type { AcceptConnection, Authorizer, Connection, ConnectionListener, EntryTerms } from './ports.js';
import type { PresenceSnapshot } from './presence/watched-topic.js';
import { mergeStats, takeStats, type StatsSnapshot } from './stats-snapshot.js';

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
  /** What transports are given: `accept`, and what they may ask before. */
  readonly acceptor: AcceptConnection;
  readonly #node: NodeParts;
  readonly #entrance: Entrance;
  readonly #lifecycle: Lifecycle;

  /** @throws BrokerError `invalid-option` */
  constructor(options: Partially<BrokerOptions>, ports: BrokerPorts) {
    this.options = resolveBrokerOptions(options);
    checkPorts(this.options, ports);
    const node = composeNode(this.options, ports);
    const { environment, numbers, handlers, requests, cluster, external } = node;
    this.#node = node;
    this.users = environment.users;
    this.events = environment.events;
    this.operations = new BrokerOperations({
      environment,
      handlers,
      isAccepting: () => this.#lifecycle.isAccepting && !cluster.isReplaced,
      lastMessageNumber: () => numbers.last,
    });
    this.cluster = new BrokerCluster({
      questions: cluster.questions,
      operations: this.operations,
      members: ports.members ?? null,
      nodeId: node.nodeId,
      stats: () => this.stats(),
      mergeStats: (all) => mergeStats(all, environment.router.inbox.shared !== null),
      health: () => this.health(),
    });
    this.#entrance = new Entrance(environment, this.operations);
    this.acceptor = this.acceptorFor(null);
    const { drain } = this.operations;
    this.#lifecycle = new Lifecycle({ environment, numbers, requests, cluster, external, drain });
    this.#tellEachOther(ports.authorizer ?? null);
  }

  #tellEachOther(authorizer: Authorizer | null): void {
    const { router, registry, stats } = this.#node.environment;
    router.serverTopics.feed.connect({
      counts: () => stats.feedCounts,
      stats: () => this.stats(),
      health: () => this.health(),
    });
    if (router.inbox.source !== null) {
      this.events.on('connected', ({ session }) => {
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
    this.#node.handlers.message(pattern, handler, options);
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
    this.#node.handlers.subscribeMapping(pattern, handler, options);
    return this;
  }

  /** What handlers throw, when no group of theirs takes it (Spring: `@MessageExceptionHandler`). */
  onError(handler: ErrorHandler, options?: ReplyOptions): this {
    this.#node.handlers.onError(handler, options);
    return this;
  }

  /** Handlers under a common prefix (Spring: `@MessageMapping` on a class). */
  group(prefix: string, register: (group: HandlerGroup) => void): this {
    this.#node.handlers.group(prefix, register);
    return this;
  }

  /**
   * Sends from the application's own code: text as text, octets as octets, anything else as JSON. Usable before and after
   * start; resolves when accepted.
   * @throws BrokerError `payload-invalid`, `destination-…`, `queue-full`
   */
  convertAndSend(destination: string, payload: unknown, headers?: MessageHeaders): Promise<void> {
    return this.#node.template.convertAndSend(destination, payload, headers);
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
    return this.#node.template.convertAndSendToUser(user, destination, payload, headers, options);
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
    return this.#node.requests.request(destination, payload, options);
  }

  /**
   * Who is subscribed to a topic now, as `/topic/$presence/…` tells it.
   * @param topic the topic itself, e.g. `/topic/rooms/1`; no pattern
   * @throws BrokerError `destination-invalid`, `destination-unknown` when presence is switched off, `limit-exceeded`
   */
  async presence(topic: string): Promise<PresenceSnapshot> {
    const { presence } = this.#node.environment.router.serverTopics;
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
    this.#node.environment.interceptors.addInbound(interceptor);
    this.#node.environment.decodesAll = true;
  }

  /** Sees CONNECTED, MESSAGE and RECEIPT on their way out (Spring: client outbound channel). */
  interceptOutbound(interceptor: OutboundInterceptor): void {
    this.#node.environment.interceptors.addOutbound(interceptor);
    this.#node.environment.writer.interceptsOutbound = true;
  }

  /** Sees every message that enters the broker (Spring: broker channel). */
  interceptBroker(interceptor: BrokerInterceptor): void {
    this.#node.environment.interceptors.addBroker(interceptor);
    this.#node.environment.decodesAll = true;
  }

  /**
   * Opens the store and takes up what it holds; then connections are accepted. Without a store that is at once. A broker
   * that was stopped can be started again when it has no store; with one, another broker can be made on the same store.
   * @throws Error of one line when the store cannot be used, or when the broker is started already
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /** Whether everything works. */
  health(): Health {
    const { environment, cluster, external, memory } = this.#node;
    return healthOf({
      store: environment.journal?.problem ?? null,
      relay: external === null ? cluster.relayProblem : external.problem,
      cluster: cluster.membersProblem,
      connections: this.operations.shortage,
      memory: memory?.guard.problem ?? null,
    });
  }

  /**
   * A transport's new connection. Null when the node is full, very short of memory, not started, draining, or stopping.
   * @param terms null: it is let in as everybody
   */
  accept(connection: Connection, terms: EntryTerms | null = null): ConnectionListener | null {
    return this.#entrance.accept(connection, terms);
  }

  /** As `acceptor`, for a way in of its own. */
  acceptorFor(terms: EntryTerms | null): AcceptConnection {
    return this.#entrance.acceptor(terms);
  }

  /** What is counted, as of now. */
  stats(): StatsSnapshot {
    const { environment, cluster, memory } = this.#node;
    return takeStats({ environment, cluster: cluster.counts, memory: memory?.snapshot ?? null });
  }

  /**
   * Ends every session, at the pace of `options.shutdown`: who is asked to go gets nothing more from queues and may settle
   * what it holds; what is queued is written, WebSockets close with 1001. Resolves when all connections are gone; those that
   * have not closed by then are cut, and the store is closed. A start under way is let finish before.
   * @param deadlineMs for all of it; default `shutdown.deadlineMs`, 0 cuts everybody. Of a call while another is at work:
   * whoever is left is told to go now, and cut by then.
   */
  stop(deadlineMs = this.options.shutdown.deadlineMs): Promise<void> {
    return this.#lifecycle.stop(deadlineMs);
  }
}
