/**
 * One client's session: awaiting CONNECT → authenticating → connected → closing → closed (STOMP 1.2). Its connection brings
 * octets, which become frames, which are handled in order; what each is about, and what ends the session, has a piece of its
 * own in session/.
 */
import {
  FrameParser,
  negotiateHeartBeat,
  type Frame,
  type NegotiatedHeartBeat,
  type StompVersion,
} from '../protocol/index.js';
import { COMMAND_HANDLERS } from './commands/command-handlers.js';
import { handleConnect } from './commands/connect.js';
import { BrokerError } from './errors.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { FrameEffects, type EffectsOwner } from './session/frame-effects.js';
import { FrameIntake, type IntakeOwner } from './session/frame-intake.js';
import { interceptMessage, sendConnected, sendHeartBeat, tell } from './session/session-answers.js';
import { SessionCommands, type CommandedSession } from './session/session-commands.js';
import { SessionIdentity } from './session/session-identity.js';
import { SessionInput, type InputOwner } from './session/session-input.js';
import { SessionLife, type LifeOwner, type SessionState } from './session/session-life.js';
import { SessionRates } from './session/session-rates.js';
import { SessionSubscriptions } from './session/session-subscriptions.js';
import { SessionDeadlines, type DeadlineOwner } from './session-deadlines.js';
import type { SubscriptionHandle } from './application/session-handle.js';
import type { CloseCode } from './close-reason.js';
import type { Welcome } from './commands/command-context.js';
import type { DeliveryHead } from './delivery.js';
import type { Message } from './message.js';
import type { OperatedSession } from './operations/operated-session.js';
import type { GivingWay } from './overflow-policy.js';
import type { Connection, ConnectionListener, EntryTerms, Handshake, Principal, TransportName } from './ports.js';
import type { SessionEnvironment } from './session-environment.js';
import type { Subscription } from './subscription.js';

const NO_BEAT: NegotiatedHeartBeat = Object.freeze({ sendEveryMs: 0, receiveEveryMs: 0 });
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
    OperatedSession,
    CommandedSession,
    OutboxOwner,
    DeadlineOwner,
    IntakeOwner,
    InputOwner,
    EffectsOwner,
    LifeOwner
{
  readonly id: string;
  /** Counts the connections of this node. */
  readonly number: number;
  readonly connection: Connection;
  readonly #environment: SessionEnvironment;
  readonly #parser: FrameParser;
  readonly #outbox: Outbox;
  readonly #deadlines: SessionDeadlines;
  readonly #identity: SessionIdentity;
  /** Null where nothing is counted or measured. */
  readonly #rates: SessionRates | null;
  readonly #intake: FrameIntake;
  readonly #subscriptions: SessionSubscriptions;
  readonly #effects: FrameEffects;
  readonly #input: SessionInput;
  readonly #life: SessionLife;
  #attributes: Map<string, unknown> | null = null;
  #wasConnected = false;

  constructor(id: string, connection: Connection, environment: SessionEnvironment, origin: SessionOrigin = NOWHERE) {
    const { options, wheel, writer, stats } = environment;
    this.id = id;
    this.number = stats.connectionsTotal;
    this.connection = connection;
    this.#environment = environment;
    const parser = new FrameParser({ limits: options.limits.beforeConnected, lenientNul: true });
    const deadlines = new SessionDeadlines(this, options, wheel);
    const rates = SessionRates.open(this, origin.address);
    const identity = new SessionIdentity(this, origin.handshake, origin.terms);
    const subscriptions = new SessionSubscriptions(this);
    const effects = new FrameEffects(this, subscriptions);
    const intake = new FrameIntake(this, { parser, rates, access: identity.access });
    // The strict path refuses whatever it sends.
    if (identity.isObserver) intake.beStrict();
    const input = new SessionInput(this, { parser, intake, work: effects, deadlines });
    this.#outbox = new Outbox(connection, options.outbox, this, writer);
    this.#life = new SessionLife(this, input, deadlines);
    this.#parser = parser;
    this.#deadlines = deadlines;
    this.#rates = rates;
    this.#identity = identity;
    this.#subscriptions = subscriptions;
    this.#effects = effects;
    this.#intake = intake;
    this.#input = input;
  }

  /** For its pieces. */
  get environment(): SessionEnvironment {
    return this.#environment;
  }

  /** For its pieces. */
  get outbox(): Outbox {
    return this.#outbox;
  }

  // ——— What there is to know of it ———

  get version(): StompVersion {
    return this.#parser.version;
  }

  get state(): SessionState {
    return this.#life.state;
  }

  get isOpen(): boolean {
    return this.#life.isOpen;
  }

  /** Null until it has been verified. */
  get principal(): Principal | null {
    return this.#identity.principal;
  }

  get user(): Principal | null {
    return this.#identity.principal;
  }

  get clientId(): string | undefined {
    return this.#identity.clientId;
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

  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.values();
  }

  get isSuspended(): boolean {
    return this.#input.isSuspended;
  }

  get awaitsTurn(): boolean {
    return this.#input.awaitsTurn;
  }

  get isPaused(): boolean {
    return this.#input.isRetired;
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

  get transportBytes(): number {
    return this.connection.ownBufferedBytes ?? this.connection.bufferedBytes;
  }

  get inputBytes(): number {
    return this.#input.heldBytes + this.#effects.transactionBytes;
  }

  get unsettledBytes(): number {
    return this.#subscriptions.unsettledBytes;
  }

  get hasUnfinished(): boolean {
    if (!this.isOpen) return false;
    return this.isSuspended || this.#effects.owesReceipts || this.#effects.awaitsClient;
  }

  // ——— Frames ———

  onBytes(chunk: Buffer, endsMessage: boolean): void {
    this.#input.take(chunk, endsMessage);
  }

  suspendFor(pending: Promise<void>, frame?: Frame): void {
    this.#input.suspendFor(pending, frame);
  }

  waitForTurn(): void {
    this.#input.waitForTurn();
  }

  dispatch(frame: Frame): void | Promise<void> {
    const isConnect = frame.command === 'CONNECT' || frame.command === 'STOMP';
    if (this.state === 'awaiting-connect') {
      if (!isConnect)
        throw new BrokerError('not-connected', `The first frame must be CONNECT or STOMP, got ${frame.command}`);
      this.#life.enter('authenticating');
      return handleConnect(this.#commands(), frame);
    }
    if (isConnect)
      throw new BrokerError('already-connected', `${frame.command} on a session that is connected already`);
    return COMMAND_HANDLERS[frame.command]?.(this.#commands(), frame);
  }

  #commands(): SessionCommands {
    return new SessionCommands(this, {
      identity: this.#identity,
      intake: this.#intake,
      subscriptions: this.#subscriptions,
      effects: this.#effects,
    });
  }

  admit(bytes: number): number {
    return this.isOpen && this.#rates !== null ? this.#rates.admit(bytes) : 0;
  }

  // ——— CONNECTED ———

  connected(welcome: Welcome): void | Promise<void> {
    if (this.state !== 'authenticating') return;
    return this.#identity.admit(welcome, () => {
      this.#enter(welcome);
    });
  }

  #enter(welcome: Welcome): void {
    if (this.state !== 'authenticating') return;
    const { options, wheel, logger, users, events, stats } = this.#environment;
    const { version, principal, headers } = welcome;
    this.#identity.claim(welcome.clientId);
    if (principal.name !== null) this.#rates?.enter(principal.name);
    stats.connectedFrames++;
    this.#life.enter('connected');
    this.#intake.isConnected = true;
    this.#wasConnected = true;
    this.#parser.version = this.#outbox.version = version;
    this.#parser.limits = options.limits.frame;
    const heartBeat = version === '1.0' ? NO_BEAT : negotiateHeartBeat(welcome.clientHeartBeat, options.heartBeat);
    if (principal.name !== null) users.add(principal.name, this);
    const handshake = this.#identity.takeHandshake();
    if (events.has('connect')) events.emit('connect', { session: this, headers, handshake });
    sendConnected(this, welcome);
    this.#outbox.lastWriteMs = wheel.nowMs;
    this.#setExpiry(principal);
    this.#deadlines.connected(heartBeat);
    const { transport, remoteAddress } = this.connection;
    logger.info({ session: this.id, transport, remoteAddress, version, user: principal.name }, 'connected');
    if (events.has('connected')) events.emit('connected', { session: this });
  }

  renew(principal: Principal): void {
    this.#identity.renew(principal);
    this.forgetAllowed();
    this.#setExpiry(principal);
  }

  #setExpiry({ expiresAtMs }: Principal): void {
    this.#deadlines.setExpiry(expiresAtMs === undefined ? undefined : expiresAtMs - this.#environment.clock.epochMs());
  }

  onCredentialsExpiring(leftMs: number): boolean {
    if (!this.#subscriptions.hears('/queue/session')) return false;
    const notice = { type: 'credentials-expiring', expiresInMs: Math.round(leftMs) };
    tell(this, '/queue/session', [['content-type', 'application/json']], JSON.stringify(notice));
    return true;
  }

  /** What the rules allowed may be otherwise now. */
  forgetAllowed(): void {
    this.#identity.access?.forget();
    this.#intake.forget();
  }

  // ——— Output ———

  onDrain(): void {
    if (!this.#outbox.isEmpty && !this.#outbox.isDirty) {
      this.#outbox.isDirty = true;
      this.#environment.writer.markDirty(this.#outbox);
    }
    this.#life.endIfWritten();
  }

  interceptMessage(head: DeliveryHead, message: Message): Message | Buffer | null {
    return interceptMessage(this, head, message);
  }

  onControlWritten(octets: Buffer): void {
    this.#environment.tap?.sent(this, octets);
  }

  /** With octets still on their way the client has its sign of life, and a stalled one gets no pile of them. */
  sendHeartBeat(nowMs: number): void {
    if (this.#outbox.isEmpty && this.connection.bufferedBytes === 0) sendHeartBeat(this);
    this.#outbox.lastWriteMs = nowMs;
  }

  giveWay(): void {
    this.#outbox.giveWay();
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

  // ——— Ends ———

  /** Told to the client; unless it may go on, the session ends. @param frame that the error is about */
  refuse(error: unknown, frame?: Frame): void {
    this.#life.refuse(error, frame);
  }

  /** Nothing more is read or delivered; what is queued is written, then the connection closes. */
  close(code: CloseCode): void {
    this.#life.close(code);
  }

  goodbye(): void {
    this.#environment.stats.disconnectFrames++;
    this.close('client-disconnected');
  }

  disconnect(): void {
    this.close('closed-by-server');
  }

  retire(): void {
    if (!this.isOpen) return;
    this.#outbox.retire();
    // Who sends without a pause would never have all its RECEIPTs; what is not read is sent again elsewhere.
    if (!this.#effects.awaitsClient) this.#input.retire();
  }

  revokeSubscription(number: number): boolean {
    return this.#subscriptions.revoke(number);
  }

  onSlowConsumer(queuedBytes: number): void {
    this.#life.endSlow(queuedBytes);
  }

  endForMemory(heldBytes: number): void {
    this.#life.endForMemory(heldBytes);
  }

  onLingerExpired(): void {
    this.#life.cut('linger-expired');
  }

  onEnd(): Promise<void> | undefined {
    return this.isOpen ? this.#effects.receiptsGiven() : undefined;
  }

  onClose(cause?: Error): void {
    this.#life.onClose(cause);
  }

  onInputResumed(): void {
    this.#life.finishOrphan();
  }

  /** Transactions are undone, subscriptions ended, unsettled messages go to their queues. */
  release(): void {
    this.#effects.release();
    this.#rates?.release();
    this.#subscriptions.release();
    this.#environment.router.endSession(this.id);
    this.#intake.isConnected = false;
    this.#intake.forget();
  }

  onOver(code: CloseCode, cause: Error | undefined): void {
    this.#identity.leave();
    const { events } = this.#environment;
    if (this.#wasConnected && events.has('disconnect'))
      events.emit('disconnect', { session: this, reason: code, cause });
  }
}
