/**
 * One client's state machine: awaiting CONNECT → authenticating → connected → closing → closed (STOMP 1.2).
 * The one place where errors become ERROR frames and where a connection is ended.
 */
import {
  Command,
  FrameParser,
  formatHeartBeat,
  Headers,
  messageHead,
  negotiateHeartBeat,
  ProtocolError,
  quoteInput,
  serializeFrame,
  STOMP_VERSIONS,
  type Frame,
  type NegotiatedHeartBeat,
  type RawFrame,
  type RawFrameSink,
  type StompVersion,
} from '../protocol/index.js';
import { closeReason, type CloseCode } from './close-reason.js';
import { COMMAND_HANDLERS } from './commands/command-handlers.js';
import { handleConnect } from './commands/connect.js';
import { BrokerError } from './errors.js';
import { traceFrame } from './frame-trace.js';
import { after } from './maybe-promise.js';
import { Message } from './message.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { Delivery } from './pending-acks.js';
import { Subscription, type DeliveryHead, type SubscriptionSpec } from './subscription.js';
import { TransactionTable } from './transaction.js';
import type { SessionHandle, SubscriptionHandle } from './application/session-handle.js';
import type { CommandContext, Welcome } from './commands/command-context.js';
import type { Route } from './destinations/route.js';
import type { BrokerOptions } from './options.js';
import type { ConnectRequest, Connection, ConnectionListener, Principal, TransportName } from './ports.js';
import type { Router } from './router.js';
import type { SessionEnvironment } from './session-environment.js';
import type { WheelEntry } from './timer-wheel.js';

type State = 'awaiting-connect' | 'authenticating' | 'connected' | 'closing' | 'closed';

const HEART_BEAT = Buffer.from('\n');
const NO_BEAT: NegotiatedHeartBeat = Object.freeze({ sendEveryMs: 0, receiveEveryMs: 0 });
/** Two ticks of the wheel, so that a heart-beat is early rather than late whatever the interval. */
const HEART_BEAT_SLACK_MS = 100;
const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });
const NO_BODY = Buffer.alloc(0);
/** Verdicts remembered for one session; a client that names more destinations is asked about anew. */
const MAX_ALLOWED_SENDS = 1_000;
/** Refusals of one frame, after which the session could go on (DESIGN D9). */
const SOFT_CODES: ReadonlySet<string> = new Set([
  'access-denied',
  'payload-invalid',
  'handler-failed',
  'handler-timeout',
  'destination-invalid',
  'destination-unknown',
  'queue-full',
  'limit-exceeded',
]);

export class Session
  implements ConnectionListener, RawFrameSink, CommandContext, SessionHandle, OutboxOwner, WheelEntry
{
  readonly id: string;
  readonly connection: Connection;
  readonly transactions: TransactionTable;
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = 0;
  readonly #environment: SessionEnvironment;
  readonly #outbox: Outbox;
  readonly #parser: FrameParser;
  #state: State = 'awaiting-connect';
  #principal: Principal | null = null;
  #clientId: string | undefined;
  #attributes: Map<string, unknown> | null = null;
  /** Destinations this session was allowed to send to, while `authorizationVersion` stays. */
  #allowedSends: Set<string> | null = null;
  #allowedVersion = 0;
  /** By the wheel's clock; 0 is never. */
  #expiresAtMs = 0;
  #isExpiryTold = false;
  #subscriptions: Map<string, Subscription> | null = null;
  #byNumber: Map<number, Subscription> | null = null;
  #lastSubscriptionNumber = 0;
  #heartBeat = NO_BEAT;
  readonly #acceptedMs: number;
  #lastReadMs: number;
  #overSoftSinceMs = 0;
  /** Set once: why the session ends. */
  #closeCode: CloseCode | null = null;
  #wasConnected = false;
  /** The connection was told to close. */
  #hasEnded = false;
  /** When a closing connection is cut, whether or not its client has closed. */
  #lingerUntilMs = 0;
  /** A frame's handler is waiting for something: input is held, in order. */
  #isSuspended = false;
  #backlog: { readonly chunk: Buffer; readonly endsMessage: boolean }[] | null = null;
  /** The last destination sent to, as octets: compared before anything is looked up (DESIGN P5). */
  #memoOctets: Buffer | null = null;
  #memoRoute: Route | null = null;

  constructor(id: string, connection: Connection, environment: SessionEnvironment) {
    const { options, wheel, writer } = environment;
    this.id = id;
    this.connection = connection;
    this.#environment = environment;
    this.transactions = new TransactionTable(options.limits);
    this.#outbox = new Outbox(connection, options.outbox, this, writer);
    this.#parser = new FrameParser({ limits: options.limits.beforeConnected, lenientNul: true });
    this.#acceptedMs = this.#lastReadMs = wheel.nowMs;
    wheel.schedule(this, wheel.nowMs + options.limits.connectTimeoutMs);
  }

  get options(): BrokerOptions {
    return this.#environment.options;
  }

  get router(): Router {
    return this.#environment.router;
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
    return [...this.subscriptions()].map((subscription) => this.#handleOf(subscription));
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  get subscriptionCount(): number {
    return this.#subscriptions?.size ?? 0;
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  // ——— Input ———

  onBytes(chunk: Buffer, endsMessage: boolean): void {
    this.#lastReadMs = this.#environment.wheel.nowMs;
    if (this.#isSuspended) {
      (this.#backlog ??= []).push({ chunk, endsMessage });
      return;
    }
    if (this.#isOpen) this.#parse(chunk, endsMessage);
  }

  #parse(chunk: Buffer, endsMessage: boolean): void {
    let consumed = chunk.length;
    try {
      consumed = this.#parser.pushRaw(chunk, this, endsMessage);
    } catch (error) {
      this.#fail(error);
    }
    if (consumed === chunk.length || !this.#isSuspended) return;
    (this.#backlog ??= []).unshift({ chunk: chunk.subarray(consumed), endsMessage });
  }

  onRawFrame(raw: RawFrame): boolean {
    this.#environment.stats.framesIn++;
    const isPlainSend = raw.command === Command.SEND && raw.isPlain && raw.destinationStart >= 0;
    if (isPlainSend && this.#state === 'connected' && this.version !== '1.0' && !this.#environment.decodesAll) {
      return this.#sendPlain(raw);
    }
    return this.#receive(raw.decode(this.version));
  }

  /** The hot path: a SEND that asks for nothing but to be relayed. Every rule it skips is about headers it has not got. */
  #sendPlain(raw: RawFrame): boolean {
    try {
      const route = this.#routeOf(raw);
      if (route === null) return this.#receive(raw.decode(this.version));
      this.router.publish(route, Message.fromPlain(this.#environment.nextMessageId(), raw));
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Null when the strict path has to decide: handlers, users, and what the rules were not asked about yet. */
  #routeOf(raw: RawFrame): Route | null {
    const { buffer, destinationStart: start, destinationEnd: end } = raw;
    const memo = this.#memoOctets;
    if (memo?.length === end - start) {
      let k = 0;
      while (k < memo.length && memo[k] === buffer[start + k]) k++;
      if (k === memo.length && this.#memoRoute?.isLive === true) return this.#memoRoute;
    }
    if (start === end) throw new BrokerError('header-missing', 'SEND needs a header "destination", got an empty one');
    const destination = buffer.toString('utf8', start, end);
    if (!this.#mayPublishAt(destination)) return null;
    const route = this.router.route(destination);
    if (!route.isDirect) return null;
    this.#memoOctets = Buffer.from(buffer.subarray(start, end));
    this.#memoRoute = route;
    return route;
  }

  /** @returns whether the parser may go on */
  #receive(frame: Frame): boolean {
    const { logger, tracesFrames, interceptors } = this.#environment;
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
    return this.#state === 'connected' && !this.#isSuspended;
  }

  #dispatch(frame: Frame): void | Promise<void> {
    const isConnect = frame.command === 'CONNECT' || frame.command === 'STOMP';
    if (this.#state === 'awaiting-connect') {
      if (!isConnect) throw new BrokerError('not-connected', `The first frame must be CONNECT or STOMP, got ${frame.command}`);
      this.#state = 'authenticating';
      return handleConnect(this, frame);
    }
    if (isConnect) throw new BrokerError('already-connected', `${frame.command} on a session that is connected already`);
    return COMMAND_HANDLERS[frame.command]?.(this, frame);
  }

  /** Frames behind this one wait, and so does the client's socket, until `pending` settles. */
  #suspendFor(pending: Promise<void>, frame: Frame): void {
    this.#isSuspended = true;
    this.connection.pause();
    const goOn = (): void => {
      this.#isSuspended = false;
      // The time we did not read is not the client's silence (conformance C-31).
      this.#lastReadMs = this.#environment.wheel.nowMs;
      this.connection.resume();
      this.#drainBacklog();
    };
    pending.then(goOn, (error: unknown) => {
      this.#fail(error, frame);
      goOn();
    });
  }

  #drainBacklog(): void {
    while (this.#backlog !== null && !this.#isSuspended && this.#isOpen) {
      const next = this.#backlog.shift();
      if (this.#backlog.length === 0) this.#backlog = null;
      if (next !== undefined) this.#parse(next.chunk, next.endsMessage);
    }
  }

  // ——— What command handlers ask for ———

  publish(frame: Frame): void | Promise<void> {
    const { publisher, invoker } = this.#environment;
    const destination = frame.headers.get('destination') ?? '';
    const path = this.router.handlerPath(destination);
    if (path !== null) return this.#isRenewal(path) ? this.renewCredentials(frame) : invoker.invoke('message', path, frame, this);
    publisher.publish(destination, frame.headers, frame.body, this.id);
  }

  callSubscribeHandler(frame: Frame, subscription: Subscription): void | Promise<void> {
    const path = this.router.handlerPath(subscription.destination);
    if (path !== null) return this.#environment.invoker.invoke('subscribe', path, frame, this, subscription);
  }

  authorize(action: 'connect' | 'send' | 'subscribe', destination: string): void | Promise<void> {
    const { authorizer } = this.#environment;
    if (authorizer === null || (action === 'send' && this.#mayPublishAt(destination))) return;
    const { transport, remoteAddress, id: sessionId, router } = this;
    const principal = this.#principal ?? ANONYMOUS;
    const resolved = action === 'connect' ? [destination] : router.resolutions(action, destination);
    const ask = (at: number): void | Promise<void> => {
      const next = resolved[at];
      if (next === undefined) {
        if (action === 'send') this.#rememberAllowed(destination);
        return;
      }
      const verdict = authorizer.isAllowed({ action, principal, destination: next, sessionId, transport, remoteAddress });
      if (verdict instanceof Promise) return verdict.then((allowed) => (allowed ? ask(at + 1) : deny(action, destination)));
      return verdict ? ask(at + 1) : deny(action, destination);
    };
    return ask(0);
  }

  /** Whether the rules are known to allow it, or there are none. */
  #mayPublishAt(destination: string): boolean {
    const { authorizer, authorizationVersion } = this.#environment;
    if (authorizer === null) return true;
    return this.#allowedVersion === authorizationVersion && this.#allowedSends?.has(destination) === true;
  }

  #rememberAllowed(destination: string): void {
    const { authorizationVersion } = this.#environment;
    if (this.#allowedVersion !== authorizationVersion || (this.#allowedSends?.size ?? 0) >= MAX_ALLOWED_SENDS) {
      this.#allowedSends = null;
      this.#allowedVersion = authorizationVersion;
    }
    (this.#allowedSends ??= new Set()).add(destination);
  }

  /** What the rules allowed may be otherwise now. */
  forgetAllowed(): void {
    this.#allowedSends = null;
    this.#memoRoute = this.#memoOctets = null;
  }

  authenticate(
    shown: Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>,
  ): Principal | Promise<Principal> {
    const { transport, remoteAddress } = this.connection;
    const handshake = this.connection.takeHandshake();
    return this.#environment.authenticator.authenticate({ sessionId: this.id, transport, remoteAddress, handshake, ...shown });
  }

  connected(welcome: Welcome): void | Promise<void> {
    if (this.#state !== 'authenticating') return;
    this.#principal = welcome.principal;
    return after(this.authorize('connect', ''), () => {
      this.#enter(welcome);
    });
  }

  #enter(welcome: Welcome): void {
    if (this.#state !== 'authenticating') return;
    const { options, wheel, registry, logger, users, events } = this.#environment;
    const { version, principal, clientId } = welcome;
    if (clientId !== undefined && clientId !== '') {
      registry.claimClientId(clientId, this);
      this.#clientId = clientId;
    }
    this.#state = 'connected';
    this.#wasConnected = true;
    this.#parser.version = this.#outbox.version = version;
    this.#parser.limits = options.limits.frame;
    const offer = options.heartBeat;
    this.#heartBeat = version === '1.0' ? NO_BEAT : negotiateHeartBeat(welcome.clientHeartBeat, offer);
    this.#setExpiry(principal);
    if (principal.name !== null) users.add(principal.name, this);
    if (events.has('connect')) events.emit('connect', { session: this, headers: welcome.headers });
    this.#sendIntercepted('CONNECTED', this.#connectedHeaders(welcome));
    this.#outbox.lastWriteMs = this.#lastReadMs = wheel.nowMs;
    wheel.cancel(this);
    const deadlineMs = this.#nextDeadline(wheel.nowMs);
    if (deadlineMs > 0) wheel.schedule(this, deadlineMs);
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

  #connectedHeaders({ version, principal, requestId }: Welcome): [string, string][] {
    const { heartBeat, serverHeader } = this.options;
    const headers: [string, string][] = [
      ['version', version],
      ['heart-beat', formatHeartBeat(version === '1.0' ? { sendMs: 0, receiveMs: 0 } : heartBeat)],
      ['session', this.id],
    ];
    if (serverHeader !== false) headers.push(['server', serverHeader]);
    // CONNECTED has no escapes: a name that would need one is left out rather than let break the frame.
    if (principal.name !== null && !/[\r\n\0]/.test(principal.name)) headers.push(['user-name', principal.name]);
    if (requestId !== undefined) headers.push(['response-id', requestId]);
    return headers;
  }

  receipt(receiptId: string | undefined): void {
    if (receiptId !== undefined) this.#sendIntercepted('RECEIPT', [['receipt-id', receiptId]]);
  }

  /** A frame of the server's own, seen by the outbound interceptors. */
  #sendIntercepted(command: 'CONNECTED' | 'RECEIPT', headers: [string, string][]): void {
    const { interceptors } = this.#environment;
    if (interceptors.outbound === null) {
      this.#send(command, headers);
      return;
    }
    const frame = this.intercept({ command, headers: new Headers(headers), body: NO_BODY });
    if (frame !== null) this.#send(command, [...frame.headers].map(([name, value]) => [name, value]));
  }

  interceptMessage(head: DeliveryHead, message: Message): Buffer | null {
    const headers = new Headers();
    if (head.owner.id !== null) headers.append('subscription', head.owner.id);
    headers.append('message-id', `${this.messageIdPrefix}${message.idDigits}`);
    if (head instanceof Delivery) {
      headers.append('ack', head.ackId);
      if (head.deliveryCount > 1) headers.append('redelivered', 'true');
    }
    const { headers: relayed, body } = message.decode();
    for (const [name, value] of relayed) headers.append(name, value);
    const frame = this.intercept({ command: 'MESSAGE', headers, body });
    if (frame === null) return null;
    const counted = [...frame.headers].filter(([name]) => name !== 'content-length');
    return serializeFrame('MESSAGE', [...counted, ['content-length', String(frame.body.length)]], this.version, frame.body);
  }

  /** Runs the outbound channel; an interceptor that throws loses that frame for this client alone (Spring S9.7a). */
  intercept(frame: Frame): Frame | null {
    const { interceptors, logger } = this.#environment;
    try {
      return interceptors.applyOutbound(frame, this);
    } catch (error) {
      logger.error({ session: this.id, err: error, command: frame.command }, 'an outbound interceptor threw');
      return null;
    }
  }

  createSubscription(
    key: string,
    spec: Omit<SubscriptionSpec, 'head' | 'outbox' | 'sessionId' | 'number'>,
  ): Subscription {
    const { framing } = this.connection;
    const plainHead = messageHead(spec.id, this.messageIdPrefix, this.version);
    const head = framing.encode === null ? plainHead : framing.encode(plainHead);
    const number = ++this.#lastSubscriptionNumber;
    const subscription = new Subscription({ ...spec, number, head, outbox: this.#outbox, sessionId: this.id });
    (this.#subscriptions ??= new Map()).set(key, subscription);
    if (subscription.pending !== null) (this.#byNumber ??= new Map()).set(number, subscription);
    return subscription;
  }

  findSubscription(key: string): Subscription | undefined {
    return this.#subscriptions?.get(key);
  }

  findSubscriptionOfAck(ackId: string): Subscription | undefined {
    return this.#byNumber?.get(Number.parseInt(ackId, 10));
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions?.values() ?? [];
  }

  removeSubscription(key: string): void {
    const subscription = this.#subscriptions?.get(key);
    if (subscription === undefined) return;
    this.#subscriptions?.delete(key);
    this.#byNumber?.delete(subscription.number);
    this.router.unsubscribe(subscription);
    const { events } = this.#environment;
    if (events.has('unsubscribe')) events.emit('unsubscribe', { session: this, subscription: this.#handleOf(subscription) });
  }

  subscribed(subscription: Subscription): void {
    const { events } = this.#environment;
    if (events.has('subscribe')) events.emit('subscribe', { session: this, subscription: this.#handleOf(subscription) });
  }

  #handleOf({ id, destination }: Subscription): SubscriptionHandle {
    return { id, destination, session: this };
  }

  goodbye(): void {
    this.close('client-disconnected');
  }

  disconnect(): void {
    this.close('closed-by-server');
  }

  // ——— Credentials ———

  #isRenewal(path: string): boolean {
    return path.endsWith('$session/renew');
  }

  renewCredentials(frame: Frame): void | Promise<void> {
    const headers = frame.headers.toMap();
    if (frame.body.length > 0 && !headers.has('token')) headers.set('token', frame.body.toString());
    const shown = this.authenticate({ login: headers.get('login'), passcode: headers.get('passcode'), headers });
    const renew = (principal: Principal): void => {
      if (principal.name !== this.#principal?.name) {
        throw new BrokerError('authentication-failed', 'The new credentials are of another user');
      }
      this.#principal = principal;
      this.forgetAllowed();
      this.#setExpiry(principal);
    };
    return shown instanceof Promise ? shown.then(renew) : renew(shown);
  }

  #setExpiry({ expiresAtMs }: Principal): void {
    const { clock, wheel } = this.#environment;
    this.#isExpiryTold = false;
    this.#expiresAtMs = expiresAtMs === undefined ? 0 : Math.max(1, wheel.nowMs + expiresAtMs - clock.epochMs());
    if (this.#expiresAtMs > 0) wheel.schedule(this, this.#earlier(this.dueMs, wheel.nowMs + 1));
  }

  /** Told some time before, so that a client can renew; then ended. */
  #checkExpiry(nowMs: number): boolean {
    if (this.#expiresAtMs === 0) return false;
    const leftMs = this.#expiresAtMs - nowMs;
    if (leftMs <= 0) {
      this.#fail(new BrokerError('credentials-expired', 'The credentials of this session have expired'));
      return true;
    }
    if (leftMs > this.options.handlers.expiryNoticeMs || this.#isExpiryTold) return false;
    this.#isExpiryTold = true;
    const notice = Buffer.from(JSON.stringify({ type: 'credentials-expiring', expiresInMs: Math.round(leftMs) }));
    const headers = new Headers([['content-type', 'application/json']]);
    this.#environment.publisher.publishToUser(this.id, '/queue/session', headers, notice, this.id);
    return false;
  }

  // ——— Output and end ———

  #send(command: 'CONNECTED' | 'RECEIPT' | 'ERROR', headers: [string, string][], body?: Buffer): void {
    const { logger, tracesFrames } = this.#environment;
    if (tracesFrames) logger.debug({ session: this.id, command, headers }, 'frame sent');
    this.#outbox.enqueueControl(serializeFrame(command, headers, this.version, body));
  }

  onDrain(): void {
    if (!this.#outbox.isEmpty && !this.#outbox.isDirty) {
      this.#outbox.isDirty = true;
      this.#environment.writer.markDirty(this.#outbox);
    }
    this.#endIfWritten();
  }

  onSlowConsumer(queuedBytes: number): void {
    if (!this.#isOpen || this.#closeCode !== null) return;
    const { clock } = this.#environment;
    this.#closeCode = 'slow-consumer';
    // Not now: a fan-out is walking the lists this session stands in. What is queued stays until then, for a queue's
    // messages in it go back to their queue.
    this.#outbox.close(false);
    clock.soon(() => {
      this.#reportRefusal('slow-consumer', `${queuedBytes} octets wait for a client that does not read them`);
      this.#cut('slow-consumer');
    });
  }

  onSoftLimit(isOver: boolean): void {
    const { wheel } = this.#environment;
    this.#overSoftSinceMs = isOver ? wheel.nowMs : 0;
    if (isOver) wheel.schedule(this, this.#earlier(this.dueMs, wheel.nowMs + this.options.outbox.softLimitMs));
  }

  /** Whatever went wrong, the client is told once, in one ERROR frame, and the connection ends (STOMP 1.2, ERROR). */
  #fail(error: unknown, frame?: Frame): void {
    if (!this.#isOpen) return;
    const { code, message, detail } = this.#describe(error);
    const receiptId = frame?.headers.get('receipt');
    if (this.options.refusals === 'soft' && this.#state === 'connected' && SOFT_CODES.has(code)) {
      this.#reportRefusal(code, message, frame);
      this.#refuseSoftly(code, detail ?? message, receiptId);
      return;
    }
    const body = Buffer.from(`${detail ?? message}\n`);
    const headers: [string, string][] = [
      ['message', message],
      ['code', code],
      ['content-type', 'text/plain'],
      ['content-length', String(body.length)],
    ];
    if (code === 'version-unsupported') headers.push(['version', [...STOMP_VERSIONS].reverse().join(',')]);
    if (receiptId !== undefined) headers.push(['receipt-id', receiptId]);
    this.#environment.stats.errorsSent++;
    this.#reportRefusal(code, message, frame);
    this.#send('ERROR', headers, body);
    this.close(CLOSE_CODE_OF[code] ?? (error instanceof ProtocolError ? 'protocol-error' : 'refused'));
  }

  /** The connection lives; the client is told where it may have subscribed (DESIGN D9). */
  #refuseSoftly(code: string, text: string, receiptId: string | undefined): void {
    const headers = new Headers([
      ['code', code],
      ['content-type', 'text/plain;charset=UTF-8'],
    ]);
    if (receiptId !== undefined) headers.append('receipt-id', receiptId);
    this.#environment.publisher.publishToUser(this.id, '/queue/errors', headers, Buffer.from(text), this.id);
  }

  #describe(error: unknown): { code: string; message: string; detail?: string | undefined } {
    if (error instanceof ProtocolError) return error;
    if (error instanceof BrokerError) return error;
    const id = this.#environment.createId();
    this.#environment.logger.error({ session: this.id, errorId: id, err: error }, 'internal error');
    return { code: 'internal', message: `Internal error, in the server's log as ${id}` };
  }

  #reportRefusal(code: string, message: string, frame?: Frame): void {
    const { remoteAddress, transport } = this.connection;
    const fields = { session: this.id, remoteAddress, transport, code, command: frame?.command };
    this.#environment.logger.warn(fields, message);
  }

  /** Ends the session: nothing more is read or delivered; what is queued is written, then the connection closes. */
  close(code: CloseCode): void {
    if (!this.#isOpen) return;
    const { wheel } = this.#environment;
    this.#state = 'closing';
    this.#closeCode = code;
    this.#release();
    this.#lingerUntilMs = wheel.nowMs + this.options.limits.lingerMs;
    wheel.schedule(this, this.#earlier(this.dueMs, this.#lingerUntilMs));
    this.#environment.clock.soon(() => {
      this.#endIfWritten();
    });
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

  onClose(cause?: Error): void {
    if (this.#state === 'closed') return;
    const { wheel, registry, stats, logger, users, events } = this.#environment;
    const wasConnected = this.#wasConnected;
    this.#release();
    this.#state = 'closed';
    this.#outbox.close(true);
    this.#backlog = null;
    wheel.cancel(this);
    registry.remove(this);
    const name = this.#principal?.name;
    if (name !== null && name !== undefined) users.remove(name, this);
    const code = this.#closeCode ?? 'client-gone';
    if (wasConnected && events.has('disconnect')) events.emit('disconnect', { session: this, reason: code });
    stats.closed[code]++;
    const durationMs = Math.round(wheel.nowMs - this.#acceptedMs);
    logger.debug({ session: this.id, code, durationMs, cause: cause?.message }, 'closed');
  }

  /** Gives back everything held: transactions undone, subscriptions ended, unsettled messages to their queues. */
  #release(): void {
    // First, or what one subscription gives back would be dealt to the next one of this very session.
    this.#outbox.close(false);
    this.transactions.abortAll();
    const subscriptions = this.#subscriptions;
    this.#subscriptions = null;
    this.#byNumber = null;
    for (const subscription of subscriptions?.values() ?? []) this.router.unsubscribe(subscription);
    this.#memoRoute = this.#memoOctets = null;
  }

  get #isOpen(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed';
  }

  // ——— Time ———

  onDue(nowMs: number): number {
    if (this.#state === 'closed') return 0;
    if (this.#state === 'closing') {
      if (nowMs < this.#lingerUntilMs) return this.#lingerUntilMs;
      this.#cut('linger-expired');
      return 0;
    }
    if (this.#state !== 'connected') {
      const deadline = this.#acceptedMs + this.options.limits.connectTimeoutMs;
      if (nowMs < deadline) return deadline;
      this.#fail(new BrokerError('connect-timeout', `No CONNECT frame within ${this.options.limits.connectTimeoutMs} ms`));
      return this.dueMs;
    }
    return this.#beat(nowMs);
  }

  /** Heart-beats of a connected session, both ways, the soft limit of its outbox, and the end of its credentials. */
  #beat(nowMs: number): number {
    if (this.#checkExpiry(nowMs)) return this.dueMs;
    const { softLimitMs } = this.options.outbox;
    if (this.#overSoftSinceMs > 0 && nowMs - this.#overSoftSinceMs >= softLimitMs) {
      this.onSlowConsumer(this.#outbox.queuedBytes);
      return 0;
    }
    const { sendEveryMs, receiveEveryMs } = this.#heartBeat;
    if (this.#isSuspended) this.#lastReadMs = nowMs;
    if (receiveEveryMs > 0 && nowMs - this.#lastReadMs >= receiveEveryMs * this.options.heartBeat.tolerance) {
      const silence = Math.round(nowMs - this.#lastReadMs);
      this.#fail(
        new BrokerError('heart-beat-timeout', `Nothing received for ${silence} ms, heart-beats are due every ${receiveEveryMs} ms`),
      );
      return this.dueMs;
    }
    if (sendEveryMs > 0 && nowMs >= this.#nextBeatMs()) {
      // With octets still on their way the client has its sign of life, and a stalled one gets no pile of them.
      if (this.#outbox.isEmpty && this.connection.bufferedBytes === 0) this.#outbox.enqueueControl(HEART_BEAT);
      this.#outbox.lastWriteMs = nowMs;
    }
    return this.#nextDeadline(nowMs);
  }

  /** Early by a fifth, or by two ticks, but not by more than half. */
  #nextBeatMs(): number {
    const { sendEveryMs } = this.#heartBeat;
    const slack = Math.min(Math.max(sendEveryMs / 5, HEART_BEAT_SLACK_MS), sendEveryMs / 2);
    return this.#outbox.lastWriteMs + sendEveryMs - slack;
  }

  #nextDeadline(nowMs: number): number {
    const { sendEveryMs, receiveEveryMs } = this.#heartBeat;
    let due = 0;
    if (sendEveryMs > 0) due = this.#nextBeatMs();
    if (receiveEveryMs > 0) {
      due = this.#earlier(due, this.#lastReadMs + receiveEveryMs * this.options.heartBeat.tolerance);
    }
    if (this.#overSoftSinceMs > 0) due = this.#earlier(due, this.#overSoftSinceMs + this.options.outbox.softLimitMs);
    if (this.#expiresAtMs > 0) {
      const noticeMs = this.#expiresAtMs - this.options.handlers.expiryNoticeMs;
      due = this.#earlier(due, this.#isExpiryTold ? this.#expiresAtMs : Math.max(noticeMs, nowMs + 1));
    }
    return due === 0 ? 0 : Math.max(due, nowMs + 1);
  }

  #earlier(dueMs: number, otherMs: number): number {
    return dueMs === 0 ? otherMs : Math.min(dueMs, otherMs);
  }
}

function deny(action: string, destination: string): never {
  const what = action === 'connect' ? 'connect' : `${action} to ${quoteInput(destination, 120)}`;
  throw new BrokerError('access-denied', `Not allowed to ${what}`);
}

/** Codes whose way to end is not just "refused". */
const CLOSE_CODE_OF: Readonly<Record<string, CloseCode | undefined>> = Object.freeze({
  'client-id-displaced': 'displaced',
  'connect-timeout': 'connect-timeout',
  'credentials-expired': 'credentials-expired',
  'heart-beat-timeout': 'heart-beat-timeout',
  'server-shutdown': 'server-shutdown',
  internal: 'internal',
});
