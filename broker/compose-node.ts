/**
 * The parts of one node, made in the order in which they need each other, and what all its sessions share. Nothing runs
 * before Lifecycle starts it.
 */
import { HandlerInvoker } from './application/handler-invoker.js';
import { HandlerRegistry } from './application/handler-registry.js';
import { Interceptors } from './application/interceptors.js';
import { MessagingTemplate } from './application/messaging-template.js';
import { OutboundChannel } from './application/outbound-channel.js';
import { Requests } from './application/requests.js';
import { SessionEvents } from './application/session-events.js';
import { UserRegistry } from './application/user-registry.js';
import type { BrokerPorts } from './broker-ports.js';
import { ClusterAttachment } from './cluster/cluster-attachment.js';
import { createId } from './create-id.js';
import { ReplyAddresses } from './destinations/reply-addresses.js';
import { FrameWriter } from './frame-writer.js';
import { MemoryWatch } from './memory/memory-watch.js';
import { MessageHeads } from './message-heads.js';
import { MessageKeys } from './message-keys.js';
import { MessagePublisher } from './message-publisher.js';
import type { OperatedSession } from './operations/operated-session.js';
import type { BrokerOptions } from './options.js';
import { PublisherHold } from './publisher-hold.js';
import { Quotas } from './quotas/quotas.js';
import { ExternalBroker } from './relay/external-broker.js';
import { Router } from './router.js';
import type { SessionEnvironment } from './session-environment.js';
import { SessionRegistry } from './session-registry.js';
import { BrokerStats } from './stats.js';
import { Journal } from './storage/journal.js';
import { MessageNumbers } from './storage/message-numbers.js';
import { TimerWheel } from './timer-wheel.js';
import { TurnBudget } from './turn-budget.js';

export interface NodeParts {
  /** What it is called in a cluster, and in its message-ids. */
  readonly nodeId: string;
  readonly environment: SessionEnvironment;
  readonly numbers: MessageNumbers;
  readonly handlers: HandlerRegistry;
  readonly template: MessagingTemplate;
  readonly requests: Requests;
  readonly cluster: ClusterAttachment;
  /** Null: there is none. */
  readonly external: ExternalBroker | null;
  /** Null: nobody watches it. */
  readonly memory: MemoryWatch | null;
}

/** @param options resolved */
export function composeNode(options: BrokerOptions, ports: BrokerPorts): NodeParts {
  const ground = layGround(options, ports);
  const { clock, logger, wheel, stats, registry, journal, keys, replyAddresses, nodeId } = ground;
  const router = makeRouter(ground);
  const { separator, maxLengthBytes } = options.destinations;
  const quotas = new Quotas(options.quotas, { clock, wheel, separator, maxLengthBytes });
  const events = new SessionEvents(logger);
  const external = attachExternal(ground, router, events);
  const { members = null, nodeRelay = null, memory: processMemory = null } = ports;
  const shared = { router, registry, quotas, events, clock, wheel, logger };
  const cluster = new ClusterAttachment({ ...shared, nodeId, members, nodeRelay, journal });
  const watched = { registry, destinations: router, clock, logger };
  const memory =
    processMemory === null || !options.memory.enabled
      ? null
      : new MemoryWatch(options.memory, { ...watched, memory: processMemory });
  const handlers = new HandlerRegistry(separator);
  const environment = makeEnvironment(ground, { router, quotas, events, external, cluster, memory, handlers });
  const template = new MessagingTemplate(environment.publisher, journal, keys, cluster.guard);
  const addresses = replyAddresses;
  const requests = new Requests({ template, router, addresses, wheel, clock, stats, createId: createToken });
  return { nodeId, environment, numbers: ground.numbers, handlers, template, requests, cluster, external, memory };
}

/** What needs nothing but options and ports. */
type Ground = ReturnType<typeof layGround>;

function layGround(options: BrokerOptions, ports: BrokerPorts) {
  const { clock, logger, store = null, members = null, nodeRelay = null } = ports;
  const nodeId = members?.nodeId ?? (options.nodeId === '' ? createId(6) : options.nodeId);
  const numbers = new MessageNumbers();
  const stats = new BrokerStats();
  const { maxPendingBytes } = options.store;
  const journal =
    store === null ? null : new Journal({ store, clock, logger, maxPendingBytes, caughtUp: () => members?.caughtUp() });
  return {
    options,
    ports,
    clock,
    logger,
    nodeId,
    numbers,
    nextMessageId: (): number => numbers.next(),
    stats,
    wheel: new TimerWheel(clock),
    registry: new SessionRegistry<OperatedSession>(),
    users: new UserRegistry(),
    journal,
    keys: new MessageKeys(options.idempotency, { clock, stats, journal }),
    replyAddresses: new ReplyAddresses(createToken, nodeRelay === null ? null : createId(6)),
    budget: new TurnBudget(clock, options.limits.turnBudgetMs),
  };
}

function makeRouter({ options, ports, registry, ...ground }: Ground): Router {
  const { relay = null, nodeRelay = null, nodeHistories = null } = ports;
  return new Router(options, {
    ...ground,
    userOf: (sessionId) => registry.get(sessionId)?.principal?.name ?? null,
    isHere: (sessionId) => registry.get(sessionId) !== undefined,
    createEpoch: () => createId(9),
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
}

function attachExternal(ground: Ground, router: Router, events: SessionEvents): ExternalBroker | null {
  const { users, clock, logger, ports } = ground;
  const { relay = null } = ports;
  const { relayed, users: destinations } = router;
  if (relay === null || relayed === null) return null;
  return new ExternalBroker({ relay, relayed, destinations, users, clock, logger, nodeId: createId(9) }, events);
}

interface EnvironmentParts {
  readonly router: Router;
  readonly quotas: Quotas;
  readonly events: SessionEvents;
  readonly external: ExternalBroker | null;
  readonly cluster: ClusterAttachment;
  readonly memory: MemoryWatch | null;
  readonly handlers: HandlerRegistry;
}

function makeEnvironment(ground: Ground, parts: EnvironmentParts): SessionEnvironment {
  const { options, ports, clock, logger, journal, stats, nextMessageId } = ground;
  const { router, quotas, events, external, cluster, handlers } = parts;
  const { tracing = null, nodeRelay = null } = ports;
  const memory = parts.memory?.guard ?? null;
  const messageIdPrefix = `${ground.nodeId}-`;
  const interceptors = new Interceptors(clock, options.handlers.deadlineMs);
  const relayedUsers = external?.users ?? null;
  const publishing = { interceptors, stats, nextMessageId, relayedUsers, tracing };
  const publisher = new MessagePublisher({ ...publishing, router, users: router.users });
  const invoking = { journal, options, clock, logger, stats, nextMessageId, tracing };
  const tracesFrames = logger.level === 'debug' || logger.level === 'trace';
  return {
    clock,
    logger,
    authenticator: ports.authenticator,
    authorizer: ports.authorizer ?? null,
    journal,
    keys: ground.keys,
    publisher,
    users: ground.users,
    interceptors,
    outbound: new OutboundChannel(interceptors, logger, messageIdPrefix),
    events,
    invoker: new HandlerInvoker({ ...invoking, registry: handlers, publisher }),
    decodesAll: tracesFrames || options.userIdHeader,
    options,
    wheel: ground.wheel,
    writer: new FrameWriter(clock, ground.wheel, options.limits.turnBudgetMs),
    router,
    registry: ground.registry,
    stats,
    quotas,
    guard: cluster.guard,
    clientIds: cluster.clientIds,
    budget: ground.budget,
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
}

/** What nobody can guess: sessions, subscriptions' owners, addresses for replies. */
function createToken(): string {
  return createId(16);
}
