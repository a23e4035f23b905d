/**
 * One client's state machine: awaiting CONNECT → authenticating → connected → closing → closed (STOMP 1.2).
 * The one place where errors become ERROR frames and where a connection is ended.
 */
import {
  Command,
  FrameParser,
  negotiateHeartBeat,
  type Frame,
  type NegotiatedHeartBeat,
  type RawFrame,
  type RawFrameSink,
  type StompVersion,
} from '../protocol/index.js';
import { AccessControl } from './access-control.js';
import { closeReason, type CloseCode } from './close-reason.js';
import { COMMAND_HANDLERS } from './commands/command-handlers.js';
import { handleConnect } from './commands/connect.js';
import { handleRenewal, isRenewal } from './commands/renew.js';
import { withDeadline } from './deadline.js';
import { isComposite } from './destinations/composite.js';
import { BrokerError } from './errors.js';
import { traceFrame } from './frame-trace.js';
import { after } from './maybe-promise.js';
import type { MessageKeys } from './message-keys.js';
import { Message, weighHeaders } from './message.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { ReceiptOrder } from './receipt-order.js';
import { SessionDeadlines, type DeadlineOwner } from './session-deadlines.js';
import { isTraced } from './trace-headers.js';
import { WriteUnit, type UnitTerms } from './storage/write-unit.js';
import { SessionAnswers } from './session/session-answers.js';
import { SessionRefusals } from './session/session-refusals.js';
import { SessionSubscriptions, type RequestedSubscription } from './session/session-subscriptions.js';
import type { Subscription } from './subscription.js';
import type { DeliveryHead } from './delivery.js';
import type { TemporaryQueue } from './destinations/temporary-queues.js';
import { TransactionTable } from './transaction.js';
import type { SessionHandle, SubscriptionHandle } from './application/session-handle.js';
import type { CommandContext, Welcome } from './commands/command-context.js';
import type { Route } from './destinations/route.js';
import type { BrokerOptions } from './options.js';
import type { GivingWay } from './overflow-policy.js';
import type {
  ConnectRequest,
  Connection,
  ConnectionListener,
  EntryTerms,
  Handshake,
  Principal,
  TransportName,
} from './ports.js';
import { WheelTimer } from './wheel-timer.js';
import { Portions } from './portions.js';
import type { PublisherHold } from './publisher-hold.js';
import type { SessionQuota } from './quotas/session-quota.js';
import type { Router } from './router.js';
import type { OperatedSession } from './operations/operated-session.js';
import type { SessionEnvironment } from './session-environment.js';
import { PLAIN_FRAME_UNITS, workload, WORTH_A_LOOK } from './turn-budget.js';

type State = 'awaiting-connect' | 'authenticating' | 'connected' | 'closing' | 'closed';

const NO_BEAT: NegotiatedHeartBeat = Object.freeze({ sendEveryMs: 0, receiveEveryMs: 0 });
const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });
/** No other command is that long. */
const LARGE_FRAME_BYTES = 64 * 1024;
const NOWHERE: SessionOrigin = Object.freeze({ address: null, handshake: null, terms: null });

/** Where a session comes from. */
export interface SessionOrigin {
  /** Of its connection, where addresses count; the session gives it up at its end. */
  readonly address: string | null;
  readonly handshake: Handshake | null;
  /** Null: as everybody. */
  readonly terms: EntryTerms | null;
}

export class Session
  implements
    ConnectionListener,
    RawFrameSink,
    CommandContext,
    SessionHandle,
    OperatedSession,
    OutboxOwner,
    DeadlineOwner
{
  readonly id: string;
  /** Counts the connections of this node. */
  readonly number: number;
  readonly connection: Connection;
  readonly #environment: SessionEnvironment;
  readonly #outbox: Outbox;
  readonly #parser: FrameParser;
  readonly #deadlines: SessionDeadlines;
  readonly #answers: SessionAnswers;
  readonly #subscriptions: SessionSubscriptions;
  /** Null until the first: most sessions are never refused anything. */
  #refusals: SessionRefusals | null = null;
  /** Null when there are no rules. */
  readonly #access: AccessControl | null;
  #state: State = 'awaiting-connect';
  #principal: Principal | null = null;
  #clientId: string | undefined;
  #attributes: Map<string, unknown> | null = null;
  /** Null until the first BEGIN: most sessions never open one. */
  #transactions: TransactionTable | null = null;
  /** Set once: why the session ends. */
  #closeCode: CloseCode | null = null;
  #wasConnected = false;
  /** The connection was told to close. */
  #hasEnded = false;
  /** A frame's handler is waiting for something: input is held, in order. */
  isSuspended = false;
  /** It was asked to go and holds nothing: it is not read from until it is closed. */
  #isPaused = false;
  /** The connection went while a handler was waiting: what had arrived before is still handled, then the session ends. */
  #orphan: { readonly cause: Error | undefined } | null = null;
  /** From authentication until the application is told of the session. */
  #handshake: Handshake | null = null;
  #backlog: { readonly chunk: Buffer; readonly endsMessage: boolean }[] | null = null;
  /** Null until something had to be stored. */
  #receipts: ReceiptOrder | null = null;
  /** Null until the first COMMIT. */
  #portions: Portions | null = null;
  /** The last destination sent to, as octets: compared before anything is looked up (DESIGN P5). */
  #memoOctets: Buffer | null = null;
  #memoRoute: Route | null = null;
  /** It has, or had, a subscription that is not to get what it sends: its messages are to say whose they are. */
  #signsMessages = false;
  /** It has sent messages: where they have nowhere to go, it is not read from. */
  #isPublisher = false;
  /** Though publishers wait for memory, what it has sent is read once: it acknowledges messages too. */
  #maySip = false;
  /** Null: it may send as fast as it can. */
  readonly #quota: SessionQuota | null;
  /** What its connection counts for: its address, and its user once that is known. */
  #address: string | null;
  #countedUser: string | null = null;
  /** Null: it is let in as everybody. */
  readonly #terms: EntryTerms | null;

  constructor(id: string, connection: Connection, environment: SessionEnvironment, origin: SessionOrigin = NOWHERE) {
    const { options, wheel, writer, authorizer, router, clock, quotas } = environment;
    this.#address = origin.address;
    this.#handshake = origin.handshake;
    this.#terms = origin.terms;
    // Whatever it sends is looked at by the strict path, which refuses it.
    this.#signsMessages = origin.terms?.isObserver === true;
    this.#quota = quotas.open(origin.address);
    this.id = id;
    this.number = environment.stats.connectionsTotal;
    this.connection = connection;
    this.#environment = environment;
    this.#outbox = new Outbox(connection, options.outbox, this, writer);
    this.#answers = new SessionAnswers(this, this.#outbox, environment);
    this.#subscriptions = new SessionSubscriptions(this, this.#outbox, this.#answers, environment);
    this.#parser = new FrameParser({ limits: options.limits.beforeConnected, lenientNul: true });
    this.#deadlines = new SessionDeadlines(this, options, wheel);
    this.#access =
      authorizer === null ? null : new AccessControl(authorizer, router, clock, options.handlers.deadlineMs);
  }

  get options(): BrokerOptions {
    return this.#environment.options;
  }

  get router(): Router {
    return this.#environment.router;
  }

  get keys(): MessageKeys {
    return this.#environment.keys;
  }

  get transactions(): TransactionTable {
    return (this.#transactions ??= new TransactionTable(this.options.limits, this.keys));
  }

  get messageIdPrefix(): string {
    return this.#environment.messageIdPrefix;
  }

  get version(): StompVersion {
    return this.#parser.version;
  }

  get state(): State {
    return this.#state;
  }

  /** Null until CONNECTED. */
  get principal(): Principal | null {
    return this.#principal;
  }

  get user(): Principal | null {
    return this.#principal;
  }

  get transport(): TransportName {
    return this.connection.transport;
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress;
  }

  get attributes(): Map<string, unknown> {
    return (this.#attributes ??= new Map<string, unknown>());
  }

  get subscriptionList(): readonly SubscriptionHandle[] {
    return this.#subscriptions.handles;
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  get selectorBytes(): number {
    return this.#subscriptions.table.selectorBytes;
  }

  get patternBytes(): number {
    return this.#subscriptions.table.patternBytes;
  }

  get subscriptionCount(): number {
    return this.#subscriptions.table.size;
  }

  get transportBytes(): number {
    return this.connection.ownBufferedBytes ?? this.connection.bufferedBytes;
  }

  get acceptedMs(): number {
    return this.#deadlines.acceptedMs;
  }

  get lastReadMs(): number {
    return this.#deadlines.lastReadMs;
  }

  get lastWriteMs(): number {
    return this.#outbox.lastWriteMs;
  }

  get heartBeat(): NegotiatedHeartBeat {
    return this.#deadlines.heartBeat;
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  get inputBytes(): number {
    let bytes = this.#parser.heldBytes + (this.#transactions?.bytes ?? 0);
    for (const { chunk } of this.#backlog ?? []) bytes += chunk.length;
    return bytes;
  }

  get unsettledBytes(): number {
    return this.#subscriptions.table.unsettledBytes;
  }

  // ——— Input ———

  onBytes(chunk: Buffer, endsMessage: boolean): void {
    const { wheel, budget } = this.#environment;
    this.#deadlines.lastReadMs = wheel.nowMs;
    if (this.isSuspended || this.#isHeldUp() || (budget.isOver && this.#isOpen)) {
      (this.#backlog ??= []).push({ chunk, endsMessage });
      if (!this.isSuspended) this.#waitForTurn();
      return;
    }
    if (this.#isOpen) this.#parse(chunk, endsMessage);
  }

  /**
   * An earlier frame is still taking effect; or a node that stood still beyond its lease first asks what it missed; or what
   * publishers send has nowhere to go.
   */
  #isHeldUp(): boolean {
    const { guard, hold } = this.#environment;
    const rest = this.#portions?.finished();
    if (rest !== undefined && this.#isOpen) {
      this.#suspendFor(rest);
      return true;
    }
    if (guard === null || !this.#isOpen) return this.#isHeld(hold);
    const late = guard.caughtUp();
    if (late === undefined) return this.#isHeld(hold);
    this.#suspendFor(late);
    return true;
  }

  #isHeld(hold: PublisherHold | null): boolean {
    if (hold === null || !this.#makesWork() || !hold.isOn || !this.#isOpen) return false;
    const isConsumer = hold.isForMemory && this.#subscriptions.table.awaitsAcks;
    if (isConsumer && this.#maySip) {
      this.#maySip = false;
      return false;
    }
    const released = hold.released(isConsumer);
    this.#suspendFor(
      released.then(() => {
        this.#maySip = isConsumer;
      }),
    );
    return true;
  }

  /** A frame that has grown so large already is a SEND. */
  #makesWork(): boolean {
    return this.#isPublisher || this.#parser.heldBytes >= LARGE_FRAME_BYTES;
  }

  #parse(chunk: Buffer, endsMessage: boolean): void {
    let consumed = chunk.length;
    const { stats, hold, budget } = this.#environment;
    budget.begin();
    const before = stats.messagesIn;
    const framesBefore = stats.framesIn;
    try {
      consumed = this.#parser.pushRaw(chunk, this, endsMessage);
    } catch (error) {
      this.#fail(error);
    }
    this.#deadlines.noteFrame(this.#parser.heldBytes > 0, stats.framesIn > framesBefore);
    if (hold !== null) {
      // A transaction in which nothing is sent fills nothing.
      if (stats.messagesIn !== before || (this.#transactions?.bytes ?? 0) > 0) this.#isPublisher = true;
      if (!this.isSuspended) this.#isHeld(hold);
    }
    if (consumed === chunk.length || !this.isSuspended) return;
    (this.#backlog ??= []).unshift({ chunk: chunk.subarray(consumed), endsMessage });
  }

  onRawFrame(raw: RawFrame): boolean {
    const { stats, budget } = this.#environment;
    stats.framesIn++;
    const goesOn =
      this.#quota !== null && this.#state === 'connected' ? this.#measure(raw, this.#quota) : this.#take(raw);
    if (!goesOn || !budget.isSpent()) return goesOn;
    this.#waitForTurn();
    return false;
  }

  /** Frames behind this one have kept everybody else waiting for long enough. */
  #waitForTurn(): void {
    this.isSuspended = true;
    this.connection.pause();
    this.#environment.budget.wait(() => {
      this.#goOn();
    });
  }

  admit(bytes: number): number {
    const quota = this.#quota;
    if (quota === null || quota.onExceeded === 'pause' || !this.#isOpen) return 0;
    const waitMs = quota.admit(bytes, this.#environment.clock.nowMs());
    if (waitMs === 0) return 0;
    const { stats } = this.#environment;
    stats.rateLimited++;
    stats.countRefusal('rate-limited');
    return waitMs;
  }

  /** SEND and SUBSCRIBE make work for others; all other frames are about what the server gave, or end something. */
  #measure(raw: RawFrame, quota: SessionQuota): boolean {
    if (raw.command !== Command.SEND && raw.command !== Command.SUBSCRIBE) return this.#take(raw);
    const { stats, budget } = this.#environment;
    const nowMs = budget.takenUpMs;
    const bytes = raw.end - raw.headersStart;
    if (quota.onExceeded === 'refuse') {
      // A gateway has asked already, about what its client said.
      if (this.connection.keepsAfterError === true) return this.#take(raw);
      const retryAfterMs = quota.admit(bytes, nowMs);
      if (retryAfterMs === 0) return this.#take(raw);
      stats.rateLimited++;
      const why = 'More messages or octets than this session, its user or its address may send';
      this.#fail(new BrokerError('rate-limited', why, { retryAfterMs }), raw.decode(this.version));
      return this.#isOpen;
    }
    const waitMs = quota.charge(bytes, nowMs);
    const goesOn = this.#take(raw);
    if (waitMs === 0 || !goesOn) return goesOn;
    stats.rateLimited++;
    this.#suspendFor(this.pause(waitMs));
    return false;
  }

  pause(ms: number): Promise<void> {
    const { wheel, clock } = this.#environment;
    return new Promise((resolve) => {
      wheel.schedule(new WheelTimer(resolve), clock.nowMs() + ms);
    });
  }

  #take(raw: RawFrame): boolean {
    workload.units += PLAIN_FRAME_UNITS;
    const isPlainSend = raw.command === Command.SEND && raw.isPlain && raw.destinationStart >= 0;
    if (isPlainSend && this.#state === 'connected' && this.version !== '1.0' && !this.#environment.decodesAll) {
      if (this.#environment.tracing === null || !isTraced(raw)) return this.#sendPlain(raw);
    }
    return this.#receive(raw.decode(this.version));
  }

  /** The hot path: a SEND that asks for nothing but to be relayed. Every rule it skips is about headers it has not got. */
  #sendPlain(raw: RawFrame): boolean {
    try {
      const route = this.#routeOf(raw);
      if (route === null) return this.#receive(raw.decode(this.version));
      this.router.publish(route, Message.fromPlain(this.#environment.nextMessageId(), raw), null);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Null when the strict path has to decide: handlers, users, and what the rules were not asked about yet. */
  #routeOf(raw: RawFrame): Route | null {
    if (this.#signsMessages) return null;
    const { buffer, destinationStart: start, destinationEnd: end } = raw;
    const memo = this.#memoOctets;
    if (memo?.length === end - start) {
      let k = 0;
      while (k < memo.length && memo[k] === buffer[start + k]) k++;
      if (k === memo.length && this.#memoRoute?.isLive === true) return this.#memoRoute;
    }
    if (start === end) throw new BrokerError('header-missing', 'SEND needs a header "destination", got an empty one');
    const destination = buffer.toString('utf8', start, end);
    if (this.#access?.isKnownAllowed(destination) === false) return null;
    if (isComposite(this.options.destinations, destination)) return null;
    if (this.#environment.quotas.measures(destination)) return null;
    const route = this.router.route(destination);
    if (!route.isDirect) return null;
    this.#memoOctets = Buffer.from(buffer.subarray(start, end));
    this.#memoRoute = route;
    return route;
  }

  /** @returns whether the parser may go on */
  #receive(frame: Frame): boolean {
    workload.units += WORTH_A_LOOK;
    const { logger, tracesFrames, interceptors, stats, tap } = this.#environment;
    if (frame.command === 'CONNECT' || frame.command === 'STOMP') stats.connectFrames++;
    if (tap !== null) tap.received(this, frame);
    if (tracesFrames) logger.debug({ session: this.id, frame: traceFrame(frame) }, 'frame received');
    if (interceptors.inbound === null) return this.#handle(frame, () => this.#dispatch(frame));
    return this.#handle(frame, () => {
      const passed = interceptors.applyInbound(frame, this);
      if (passed instanceof Promise) return passed.then((next) => (next === null ? undefined : this.#dispatch(next)));
      return passed === null ? undefined : this.#dispatch(passed);
    });
  }

  #handle(frame: Frame, work: () => void | Promise<void>): boolean {
    try {
      const pending = work();
      if (pending !== undefined) this.#suspendFor(pending, frame);
    } catch (error) {
      this.#fail(error, frame);
    }
    return this.#isOpen && !this.isSuspended;
  }

  #dispatch(frame: Frame): void | Promise<void> {
    const isConnect = frame.command === 'CONNECT' || frame.command === 'STOMP';
    if (this.#state === 'awaiting-connect') {
      if (!isConnect)
        throw new BrokerError('not-connected', `The first frame must be CONNECT or STOMP, got ${frame.command}`);
      this.#state = 'authenticating';
      return handleConnect(this, frame);
    }
    if (isConnect)
      throw new BrokerError('already-connected', `${frame.command} on a session that is connected already`);
    return COMMAND_HANDLERS[frame.command]?.(this, frame);
  }

  /** Frames behind this one wait, and so does the client's socket, until `pending` settles. */
  #suspendFor(pending: Promise<void>, frame?: Frame): void {
    this.isSuspended = true;
    this.connection.pause();
    pending.then(
      () => {
        this.#goOn();
      },
      (error: unknown) => {
        this.#fail(error, frame);
        this.#goOn();
      },
    );
  }

  #goOn(): void {
    this.isSuspended = false;
    this.#deadlines.lastReadMs = this.#environment.wheel.nowMs;
    // First: a transport that holds more may hand it over within `resume`, and it stands behind what waits here.
    this.#drainBacklog();
    if (!this.isSuspended) this.connection.resume();
    this.#finishOrphan();
  }

  #finishOrphan(): void {
    if (this.#orphan !== null && !this.isSuspended) this.#finish(this.#orphan.cause);
  }

  #drainBacklog(): void {
    while (this.#backlog !== null && !this.isSuspended && this.#isOpen && !this.#isHeldUp()) {
      const next = this.#backlog.shift();
      if (this.#backlog.length === 0) this.#backlog = null;
      if (next !== undefined) this.#parse(next.chunk, next.endsMessage);
    }
  }

  // ——— What command handlers ask for ———

  publish(frame: Frame, unit: WriteUnit, key: string | null): void | Promise<void> {
    const { publisher, invoker, keys } = this.#environment;
    const destination = frame.headers.get('destination') ?? '';
    const path = this.router.kinds.handlerPath(destination);
    if (path !== null) {
      if (isRenewal(path)) return handleRenewal(this, frame);
      if (key === null) return invoker.invoke('message', path, frame, this);
      const onUnhandled = (): void => {
        keys.release(key);
      };
      return invoker.invoke('message', path, frame, this, { onUnhandled });
    }
    publisher.publish(destination, frame.headers, frame.body, this.id, unit);
  }

  charge(destinations: readonly string[], frame: Frame): number {
    const { quotas, clock, stats } = this.#environment;
    const quota = quotas.ofSend(destinations);
    if (quota === null) return 0;
    const bytes = frame.body.length + weighHeaders(frame.headers);
    const isRefused = quota.onExceeded === 'refuse';
    const waitMs = isRefused ? quota.admit(bytes, clock.nowMs()) : quota.charge(bytes, clock.nowMs());
    if (waitMs === 0) return 0;
    stats.rateLimited++;
    if (!isRefused) return waitMs;
    throw new BrokerError('rate-limited', 'More messages or octets than this destination takes', {
      retryAfterMs: waitMs,
    });
  }

  createUnit(terms?: UnitTerms): WriteUnit {
    const { journal, budget } = this.#environment;
    if (terms?.holdsBack !== true) return new WriteUnit(journal, terms);
    return new WriteUnit(journal, { ...terms, turns: (this.#portions ??= new Portions(budget)) });
  }

  submit(unit: WriteUnit, frame: Frame): void | Promise<void> {
    const receiptId = frame.headers.get('receipt');
    const stored = unit.submit(receiptId !== undefined);
    if (stored === undefined) {
      this.receipt(receiptId);
      return this.router.relayed?.caughtUp(this.id);
    }
    this.#receipts ??= new ReceiptOrder((id, also) => {
      this.#answers.receipt(id, also);
    });
    const owed = this.#receipts.owe(receiptId);
    stored.then(owed.give, (error: unknown) => {
      this.#fail(error, frame);
      owed.drop();
    });
    const rest = this.#portions?.finished();
    if (rest !== undefined) return rest;
    const { journal } = this.#environment;
    if (journal?.isBehind === true) return journal.caughtUp();
    return this.router.relayed?.caughtUp(this.id);
  }

  afterReceipts(next: () => void | Promise<void>): void | Promise<void> {
    return this.#receipts === null || this.#receipts.isEmpty ? next() : this.#receipts.emptied().then(next);
  }

  callSubscribeHandler(frame: Frame, subscription: Subscription): void | Promise<void> {
    const path = this.router.kinds.handlerPath(subscription.destination);
    if (path !== null) return this.#environment.invoker.invoke('subscribe', path, frame, this, { subscription });
  }

  authorize(action: 'connect' | 'send' | 'subscribe', destination: string): void | Promise<void> {
    const principal = this.#principal ?? ANONYMOUS;
    if (this.#terms?.isObserver === true) {
      if (action !== 'connect') this.router.serverTopics.checkObserver(action, destination);
      return;
    }
    const decided = action === 'subscribe' ? this.router.serverTopics.decide(destination, principal.roles) : 'rules';
    if (this.#access === null || decided === null) return;
    const { transport, remoteAddress, id: sessionId } = this;
    const request = { action, principal, destination, sessionId, transport, remoteAddress };
    if (decided === 'rules') return this.#access.check(request);
    return this.#access.check({ ...request, destination: decided.presenceOf, presenceAt: destination });
  }

  /** What the rules allowed may be otherwise now. */
  forgetAllowed(): void {
    this.#access?.forget();
    this.#memoRoute = this.#memoOctets = null;
  }

  authenticate(
    shown: Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>,
  ): Principal | Promise<Principal> {
    const { transport, remoteAddress } = this.connection;
    const handshake = this.#handshake ?? this.connection.takeHandshake();
    if (this.#state !== 'connected') this.#handshake = handshake;
    const { authenticator, clock } = this.#environment;
    const verdict = (this.#terms?.authenticator ?? authenticator).authenticate({
      sessionId: this.id,
      transport,
      remoteAddress,
      handshake,
      ...shown,
    });
    // CONNECT has a deadline of its own.
    if (this.#state !== 'connected' || !(verdict instanceof Promise)) return verdict;
    const { deadlineMs } = this.options.handlers;
    const late = (): BrokerError => new BrokerError('authentication-failed', `No verdict within ${deadlineMs} ms`);
    return withDeadline(verdict, clock, deadlineMs, late);
  }

  connected(welcome: Welcome): void | Promise<void> {
    if (this.#state !== 'authenticating') return;
    this.#principal = welcome.principal;
    return after(this.authorize('connect', ''), () => {
      const { headers } = welcome;
      // Who only looks has nothing to do with an external broker, which may not even be there.
      const relayed = this.#terms?.isObserver === true ? null : this.router.relayed;
      const isThere = relayed?.connect(this.id, headers.get('login'), headers.get('passcode'));
      return after(isThere, () =>
        after(this.#claimClientId(welcome.clientId), () => {
          this.#enter(welcome);
        }),
      );
    });
  }

  /** In a cluster it is the session's on all nodes before it is let in. @throws BrokerError `client-id-in-use` */
  #claimClientId(clientId = ''): void | Promise<void> {
    const { clientIds } = this.#environment;
    if (clientIds === null || clientId === '') return;
    return clientIds.claim(clientId, this).then(() => {
      if (this.#state === 'authenticating') this.#clientId = clientId;
      else clientIds.release(clientId, this);
    });
  }

  #enter(welcome: Welcome): void {
    if (this.#state !== 'authenticating') return;
    const { options, wheel, registry, logger, users, events, stats, quotas } = this.#environment;
    const { version, principal, clientId } = welcome;
    if (clientId !== undefined && clientId !== '') {
      registry.claimClientId(clientId, this);
      this.#clientId = clientId;
    }
    if (principal.name !== null) {
      quotas.enter(principal.name, this.#quota);
      this.#countedUser = principal.name;
    }
    stats.connectedFrames++;
    this.#state = 'connected';
    this.#wasConnected = true;
    this.#parser.version = this.#outbox.version = version;
    this.#parser.limits = options.limits.frame;
    const offer = options.heartBeat;
    const heartBeat = version === '1.0' ? NO_BEAT : negotiateHeartBeat(welcome.clientHeartBeat, offer);
    if (principal.name !== null) users.add(principal.name, this);
    const handshake = this.#handshake;
    this.#handshake = null;
    if (events.has('connect')) events.emit('connect', { session: this, headers: welcome.headers, handshake });
    this.#answers.connected(welcome);
    this.#outbox.lastWriteMs = wheel.nowMs;
    this.#setExpiry(principal);
    this.#deadlines.connected(heartBeat);
    logger.info(
      {
        session: this.id,
        transport: this.connection.transport,
        remoteAddress: this.connection.remoteAddress,
        version,
        user: principal.name,
      },
      'connected',
    );
    if (events.has('connected')) events.emit('connected', { session: this });
  }

  receipt(receiptId: string | undefined, also: readonly (readonly [string, string])[] = []): void {
    if (receiptId === undefined) return;
    if (this.#receipts === null || this.#receipts.isEmpty) this.#answers.receipt(receiptId, also);
    else this.#receipts.add(receiptId, also);
  }

  interceptMessage(head: DeliveryHead, message: Message): Message | Buffer | null {
    return this.#answers.intercept(head, message);
  }

  onControlWritten(octets: Buffer): void {
    this.#environment.tap?.sent(this, octets);
  }

  createSubscription(key: string, spec: RequestedSubscription): Subscription {
    this.#assertOpen();
    const subscription = this.#subscriptions.create(key, spec);
    if (subscription.isNoLocal) this.#signsMessages = true;
    return subscription;
  }

  claimTemporaryQueue(name: string): TemporaryQueue {
    this.#assertOpen();
    return this.router.temporary.claim(this.id, name);
  }

  /** Work may have had to wait: a session that has ended must not be given what nobody would take from it again. */
  #assertOpen(): void {
    if (!this.#isOpen) throw new BrokerError('not-connected', 'The session has ended');
  }

  findSubscription(key: string): Subscription | undefined {
    return this.#subscriptions.table.get(key);
  }

  findSubscriptionOfAck(ackId: string): Subscription | undefined {
    return this.#subscriptions.table.ofAck(ackId);
  }

  hasEndedSubscription(number?: number): boolean {
    return this.#subscriptions.table.hasEnded(number);
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.table.values();
  }

  removeSubscription(key: string): void {
    this.#subscriptions.remove(key);
  }

  revokeSubscription(number: number): boolean {
    return this.#subscriptions.revoke(number);
  }

  takeRevoked(key: string): boolean {
    return this.#subscriptions.takeRevoked(key);
  }

  subscribed(subscription: Subscription): void {
    this.#subscriptions.subscribed(subscription);
  }

  goodbye(): void {
    this.#environment.stats.disconnectFrames++;
    this.close('client-disconnected');
  }

  disconnect(): void {
    this.close('closed-by-server');
  }

  renew(principal: Principal): void {
    if (principal.name !== this.#principal?.name) {
      throw new BrokerError('authentication-failed', 'The new credentials are of another user');
    }
    this.#principal = principal;
    this.forgetAllowed();
    this.#setExpiry(principal);
  }

  #setExpiry({ expiresAtMs }: Principal): void {
    this.#deadlines.setExpiry(expiresAtMs === undefined ? undefined : expiresAtMs - this.#environment.clock.epochMs());
  }

  // ——— Output and end ———

  onDrain(): void {
    if (!this.#outbox.isEmpty && !this.#outbox.isDirty) {
      this.#outbox.isDirty = true;
      this.#environment.writer.markDirty(this.#outbox);
    }
    this.#endIfWritten();
  }

  onSlowConsumer(queuedBytes: number): void {
    if (!this.#isOpen || this.#closeCode !== null) return;
    const { budget } = this.#environment;
    this.#closeCode = 'slow-consumer';
    // Not now: a fan-out is walking the lists this session stands in. What is queued stays until then, for a queue's
    // messages in it go back to their queue.
    this.#outbox.close(false);
    budget.later(() => {
      const message = `${queuedBytes} octets wait for a client that does not read them`;
      this.#refusing.report({ code: 'slow-consumer', message });
      this.#cut('slow-consumer');
    });
  }

  giveWay(): void {
    this.#outbox.giveWay();
  }

  endForMemory(heldBytes: number): void {
    if (!this.#isOpen || this.#closeCode !== null) return;
    const message = `The server is short of memory, and ${heldBytes} octets are held for this session`;
    const error = new BrokerError('memory-low', message);
    if (this.#orphan === null && this.connection.bufferedBytes === 0 && this.#outbox.isEmpty) {
      // However refusals are told: it is ended.
      this.close(this.#refusing.tellLast(error));
      return;
    }
    // Behind what a client does not read an ERROR would not reach it, and what it was sent is what takes the memory.
    this.#refusing.report(error);
    this.#cut('memory-low');
    // Nobody else would say that it is over.
    if (this.#orphan !== null) this.#finish(this.#orphan.cause);
  }

  onGivenWay(policy: GivingWay['policy']): void {
    this.#environment.stats.givenWay[policy]++;
  }

  onSoftLimit(isOver: boolean): void {
    this.#deadlines.setOverSoftLimit(isOver);
  }

  onSoftLimitExceeded(): void {
    this.onSlowConsumer(this.#outbox.queuedBytes);
  }

  onLingerExpired(): void {
    this.#cut('linger-expired');
  }

  /** With octets still on their way the client has its sign of life, and a stalled one gets no pile of them. */
  sendHeartBeat(nowMs: number): void {
    if (this.#outbox.isEmpty && this.connection.bufferedBytes === 0) this.#answers.heartBeat();
    this.#outbox.lastWriteMs = nowMs;
  }

  onCredentialsExpiring(leftMs: number): boolean {
    if (!this.#subscriptions.hears('/queue/session')) return false;
    const notice = { type: 'credentials-expiring', expiresInMs: Math.round(leftMs) };
    this.#answers.tell('/queue/session', [['content-type', 'application/json']], JSON.stringify(notice));
    return true;
  }

  /** The client is told; unless it may go on, the session ends. */
  #fail(error: unknown, frame?: Frame): void {
    if (!this.#isOpen) return;
    const code = this.#refusing.tell(error, frame, this.#state === 'connected');
    if (code !== null) this.close(code);
  }

  get #refusing(): SessionRefusals {
    return (this.#refusals ??= new SessionRefusals(this.id, this.connection, this.#answers, this.#environment));
  }

  /** Ends the session: nothing more is read or delivered; what is queued is written, then the connection closes. */
  close(code: CloseCode): void {
    if (!this.#isOpen) return;
    this.#state = 'closing';
    this.#closeCode = code;
    this.#release();
    // Or its end would not be seen behind what it has sent.
    if (this.#isPaused && !this.isSuspended) this.connection.resume();
    if (this.#orphan !== null) {
      this.#finish(this.#orphan.cause);
      return;
    }
    // To cut it sooner than a stop does would reset its connection, and with it what it has not read: why it was closed.
    this.#deadlines.linger(code === 'server-shutdown' ? this.options.shutdown.deadlineMs : 0);
    this.#environment.clock.soon(() => {
      this.#endIfWritten();
    });
  }

  retire(): void {
    if (!this.#isOpen) return;
    this.#outbox.retire();
    // Who sends without a pause would never have all its RECEIPTs; what is not read is sent again elsewhere.
    if (this.#holdsSomething) return;
    this.#isPaused = true;
    this.connection.pause();
  }

  get hasUnfinished(): boolean {
    if (!this.#isOpen) return false;
    return this.isSuspended || this.#receipts?.isEmpty === false || this.#holdsSomething;
  }

  /** What only its client can finish: deliveries without their ACK, open transactions. */
  get #holdsSomething(): boolean {
    return (this.#transactions !== null && this.#transactions.size > 0) || this.#subscriptions.table.awaitsAcks;
  }

  /** Told to the client in an ERROR frame, then closed. */
  refuse(error: BrokerError): void {
    this.#fail(error);
  }

  #endIfWritten(): void {
    if (this.#state !== 'closing' || this.#hasEnded || this.#closeCode === null) return;
    this.#environment.writer.flushNow(this.#outbox);
    if (!this.#outbox.isEmpty) return;
    this.#hasEnded = true;
    this.connection.close(closeReason(this.#closeCode));
  }

  /** Drops what is unsent and ends the connection now. */
  #cut(code: CloseCode): void {
    if (this.#state === 'closed') return;
    this.#closeCode ??= code;
    this.#release();
    this.#state = 'closing';
    this.#outbox.close(true);
    this.connection.destroy(closeReason(code));
  }

  /** What is on its way to the store is answered first; a store that takes longer than a handler may is not waited for. */
  onEnd(): Promise<void> | undefined {
    if (this.#receipts === null || this.#receipts.isEmpty || !this.#isOpen) return undefined;
    const late = (): BrokerError => new BrokerError('internal', 'The store does not answer');
    const { deadlineMs } = this.options.handlers;
    return withDeadline(this.#receipts.emptied(), this.#environment.clock, deadlineMs, late).catch(() => undefined);
  }

  onClose(cause?: Error): void {
    if (this.isSuspended) this.#environment.invoker.abort(this.id);
    if (this.isSuspended && this.#isOpen) {
      // What a client sent before it left is still handled (STOMP 1.2, RECEIPT; conformance S-25, R-15).
      this.#orphan = { cause };
      this.#outbox.close(false);
      return;
    }
    this.#finish(cause);
  }

  #finish(cause?: Error): void {
    if (this.#state === 'closed') return;
    const { wheel, registry, stats, logger, users, events, clientIds } = this.#environment;
    const wasConnected = this.#wasConnected;
    stats.countTransport(this.connection.transport, -1);
    if (cause !== undefined) stats.transportErrors++;
    this.#release();
    this.#state = 'closed';
    this.#outbox.close(true);
    this.#backlog = null;
    this.#deadlines.stop();
    registry.remove(this);
    if (this.#clientId !== undefined) clientIds?.release(this.#clientId, this);
    const name = this.#principal?.name;
    if (name !== null && name !== undefined) users.remove(name, this);
    const code = this.#closeCode ?? 'client-gone';
    if (wasConnected && events.has('disconnect')) events.emit('disconnect', { session: this, reason: code, cause });
    stats.closed[code]++;
    const durationMs = Math.round(wheel.nowMs - this.#deadlines.acceptedMs);
    logger.debug({ session: this.id, code, durationMs, cause: cause?.message }, 'closed');
  }

  /** Gives back everything held: transactions undone, subscriptions ended, unsettled messages to their queues. */
  #release(): void {
    // First, or what one subscription gives back would be dealt to the next one of this very session.
    this.#outbox.close(false);
    this.#transactions?.abortAll();
    this.#environment.quotas.close(this.#address, this.#countedUser);
    this.#address = this.#countedUser = null;
    this.#subscriptions.release();
    this.router.endSession(this.id);
    this.#memoRoute = this.#memoOctets = null;
  }

  get #isOpen(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed';
  }
}
