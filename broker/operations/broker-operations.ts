/**
 * What operators of a node see and do: behind `Broker.operations`, made for the admin API and for applications that have
 * one of their own. Nothing here is on the way of a message.
 */
import type { HandlerEntry } from '../application/handler-registry.js';
import type { MessageHeaders } from '../application/messaging-template.js';
import { type EncodedPayload, encodePayload } from '../application/payload.js';
import type { UserHandle } from '../application/user-registry.js';
import { BrokerError } from '../errors.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { SessionEnvironment } from '../session-environment.js';
import type { DestinationDetails, SessionDetails } from './details.js';
import { type DeliveryObserver, DeliverySampler } from './delivery-sampler.js';
import { Drain } from './drain.js';
import { FrameTap, type TapFilter, type TapListener } from './frame-tap.js';
import { LocalQueueOperations, type QueueOperations, type QueueOperationsParts } from './queue-operations.js';
import { SharedQueueOperations, readSizes } from './shared-queue-operations.js';

export interface BrokerOperationsParts {
  readonly environment: SessionEnvironment;
  readonly handlers: { entries(): Iterable<HandlerEntry> };
  readonly isAccepting: () => boolean;
  /** Of the messages taken on so far. */
  readonly lastMessageNumber: () => number;
}

/** In one turn of the event loop: about a millisecond of work. */
const PER_TURN = 500;

/** Nobody more can connect. */
export interface ConnectionProblem {
  readonly code: 'connections-exhausted';
  /** One line. */
  readonly message: string;
  readonly sinceEpochMs: number;
}

export class BrokerOperations {
  readonly #environment: SessionEnvironment;
  readonly #parts: BrokerOperationsParts;
  readonly #drain: Drain;
  #isLeaving = false;
  #shortage: ConnectionProblem | null = null;

  constructor(parts: BrokerOperationsParts) {
    this.#parts = parts;
    this.#environment = parts.environment;
    this.maxConnections = parts.environment.options.limits.maxConnections;
    const { clock, registry, options } = parts.environment;
    this.#drain = new Drain(clock, registry, options.shutdown.settleMs);
  }

  // ——— What is there ———

  /** Connections that are open, whether or not they have said CONNECT. */
  get sessionCount(): number {
    return this.#environment.registry.size;
  }

  /** In the order they were accepted; live: what comes and goes during the walk is seen or not. */
  sessions(): IterableIterator<SessionDetails> {
    return this.#environment.registry.values();
  }

  session(id: string): SessionDetails | undefined {
    return this.#environment.registry.get(id);
  }

  get userCount(): number {
    return this.#environment.users.count();
  }

  /** In the order they came; live. Anonymous sessions are of no user. */
  users(): IterableIterator<UserHandle> {
    return this.#environment.users.handles();
  }

  userNames(): IterableIterator<string> {
    return this.#environment.users.names();
  }

  user(name: string): UserHandle | undefined {
    return this.#environment.users.get(name);
  }

  get subscriptionCount(): number {
    return this.#environment.stats.subscriptions;
  }

  /** Topics and queues that are remembered, at most; those of sessions (`/user`, `/temp-queue`) are not among them. */
  get destinationCount(): number {
    return this.#environment.router.known.count;
  }

  /** Of these, the queues for one consumer each. */
  get queueCount(): number {
    return this.#environment.router.known.queueCount;
  }

  /** In the order they were first used; live. */
  destinations(): IterableIterator<DestinationDetails> {
    return this.#environment.router.known.details();
  }

  destination(name: string): DestinationDetails | undefined {
    return this.#environment.router.known.detailsOf(name);
  }

  /**
   * Null when the broker holds no such queue: it was never used, or holds nothing and was forgotten. Where nodes share
   * queues there is one of every name.
   */
  queue(destination: string): QueueOperations | null {
    const environment = this.#environment;
    const { router, clock, journal, messageIdPrefix } = environment;
    const parts: QueueOperationsParts = {
      clock,
      journal,
      messageIdPrefix,
      nextMessageId: () => environment.nextMessageId(),
      publish: (target, message, unit) => {
        router.publish(router.brokerRoute(target), message, unit);
      },
    };
    const shared = router.known.inspectedQueue(destination);
    if (shared !== null && journal !== null) return new SharedQueueOperations(shared, { ...parts, journal });
    const queue = router.known.operatedQueue(destination);
    return queue === null ? null : new LocalQueueOperations(queue, parts);
  }

  /**
   * Asks the store what the queues hold that all nodes share, those among `destinations()`: what their details say is as of
   * then. On a single node nothing is asked. @throws BrokerError `store-failed`
   */
  async readQueues(): Promise<void> {
    const { router, journal } = this.#environment;
    if (journal?.isShared === true) await readSizes([...router.known.inspectedQueues()], journal);
  }

  /** Of `/app`, in the order they were registered. */
  handlers(): Iterable<Pick<HandlerEntry, 'kind' | 'pattern' | 'options'>> {
    return this.#parts.handlers.entries();
  }

  // ——— What is done ———

  /**
   * Ends a session as `SessionHandle.disconnect` does.
   * @param reason told to the client in an ERROR frame, `code:session-revoked`; without it there is none
   * @returns false when there is none of that id
   */
  disconnect(sessionId: string, reason?: string): boolean {
    const session = this.#environment.registry.get(sessionId);
    if (reason === undefined) session?.close('closed-by-server');
    else session?.refuse(new BrokerError('session-revoked', reason));
    return session !== undefined;
  }

  /** Ends all sessions of a user. @param reason as `disconnect` @returns how many */
  disconnectUser(name: string, reason?: string): number {
    const sessions = this.#environment.users.get(name)?.sessions ?? [];
    for (const { id } of sessions) this.disconnect(id, reason);
    return sessions.length;
  }

  /** What the rules allowed a session is asked again. @returns false when there is none of that id */
  forgetAllowed(sessionId: string): boolean {
    const session = this.#environment.registry.get(sessionId);
    session?.forgetAllowed();
    return session !== undefined;
  }

  /**
   * Ends a subscription without its client: nothing more is delivered, what is unsettled goes back. The client is told on
   * `/user/queue/errors` (`code:subscription-revoked`), if it listens there; its own UNSUBSCRIBE is no error.
   * @param number as `SubscriptionDetails.number`
   */
  unsubscribe(sessionId: string, number: number): boolean {
    return this.#environment.registry.get(sessionId)?.revokeSubscription(number) === true;
  }

  /**
   * Sends to every session that is connected, at `/user` + `destination`, anonymous ones included; a thousand sessions
   * take a few turns of the event loop.
   * @param destination behind the user, e.g. `/queue/notices`
   * @returns how many sessions were there. @throws BrokerError as `convertAndSend`
   */
  broadcast(destination: string, payload: unknown, headers: MessageHeaders = {}): Promise<number> {
    return this.broadcastEncoded(destination, encodePayload(payload), headers);
  }

  /** As `broadcast`, with octets and what they are. */
  async broadcastEncoded(
    destination: string,
    { body, contentType }: EncodedPayload,
    headers: MessageHeaders,
  ): Promise<number> {
    const { registry, publisher, journal, clock, router } = this.#environment;
    const rest = destination.startsWith('/') ? destination : `/${destination}`;
    router.kinds.check(rest);
    const list: [string, string][] = Object.entries(headers).map(([name, value]) => [name, String(value)]);
    list.push(['content-type', contentType]);
    // Those who come while it runs are not meant.
    const last = this.#environment.stats.connectionsTotal;
    let sent = 0;
    for (const session of registry.values()) {
      if (session.number > last) break;
      if (session.state !== 'connected') continue;
      const unit = new WriteUnit(journal);
      publisher.tell(session.id, rest, list, body, unit);
      await unit.submit();
      if (++sent % PER_TURN === 0) await new Promise<void>((resolve) => clock.soon(resolve));
    }
    return sent;
  }

  /** How many connections there may be; those above a new limit stay. At first as the options say. */
  maxConnections: number;

  /** Whether new connections are let in. */
  get isAccepting(): boolean {
    return this.#parts.isAccepting() && !this.#drain.isActive;
  }

  /** Whether clients are to be sent here, as far as it is for the node to say: it lets them in and is to stay. */
  get isStaying(): boolean {
    return this.isAccepting && !this.#isLeaving;
  }

  /** Nobody more can connect, whatever the options say; null: it is over. @param message one line */
  reportShortage(message: string | null): void {
    const sinceEpochMs = this.#environment.clock.epochMs();
    this.#shortage = message === null ? null : { code: 'connections-exhausted', message, sinceEpochMs };
  }

  /** What `health` says of it. */
  get shortage(): ConnectionProblem | null {
    return this.#shortage;
  }

  /** It will be stopped soon: from now on it says that it is not ready, and still takes who comes. */
  announceLeave(): void {
    this.#isLeaving = true;
  }

  /** Empties this node at a pace (`start`), or lets clients in again (`cancel`). */
  get drain(): Drain {
    return this.#drain;
  }

  /** Has samples of deliveries shown to `observer`, one for all; null: to nobody, which is the default and costs nothing. */
  observeDeliveries(observer: DeliveryObserver | null): void {
    const { clock, writer } = this.#environment;
    writer.sampler = observer === null ? null : new DeliverySampler(clock, this.#parts.lastMessageNumber, observer);
  }

  /** Whether every frame is written to the log, at level debug; costs the fast path of SEND meanwhile. */
  get tracesFrames(): boolean {
    return this.#environment.tracesFrames;
  }

  set tracesFrames(traces: boolean) {
    this.#environment.tracesFrames = traces;
    this.#decideWhatIsSeen();
  }

  get tapCount(): number {
    return this.#environment.tap?.size ?? 0;
  }

  /**
   * Has frames of this node's sessions shown to `listener` until the returned function is called: incoming ones before they
   * are handled, outgoing ones as they are written. Heart-beats are none. Meanwhile every SEND leaves the fast path, and
   * what is meant is decoded; with nobody who taps it costs nothing.
   * @throws BrokerError `destination-invalid` for a pattern that cannot be compiled
   */
  tapFrames(filter: TapFilter, listener: TapListener): () => void {
    const environment = this.#environment;
    const { clock, options, messageIdPrefix } = environment;
    const tap = environment.tap ?? new FrameTap(clock, options.destinations.separator, messageIdPrefix);
    const remove = tap.add(filter, listener);
    environment.tap = tap;
    this.#decideWhatIsSeen();
    return () => {
      remove();
      if (tap.size > 0 || environment.tap !== tap) return;
      environment.tap = null;
      this.#decideWhatIsSeen();
    };
  }

  #decideWhatIsSeen(): void {
    const environment = this.#environment;
    const { interceptors, options, tap, tracesFrames, writer } = environment;
    const isWatched = interceptors.inbound !== null || interceptors.broker !== null || tap !== null;
    environment.decodesAll = tracesFrames || options.userIdHeader || isWatched;
    writer.interceptsOutbound = interceptors.outbound !== null || tap !== null;
  }
}
