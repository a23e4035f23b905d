/**
 * One client's state machine: awaiting CONNECT → authenticating → connected → closing → closed (STOMP 1.2).
 * The one place where errors become ERROR frames and where a connection is ended.
 */
import {
  Command,
  FrameParser,
  formatHeartBeat,
  messageHead,
  negotiateHeartBeat,
  ProtocolError,
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
import { Message } from './message.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { Subscription, type SubscriptionSpec } from './subscription.js';
import { TransactionTable } from './transaction.js';
import type { CommandContext, Welcome } from './commands/command-context.js';
import type { Route } from './destinations/route.js';
import type { BrokerOptions } from './options.js';
import type { ConnectRequest, Connection, ConnectionListener, Principal } from './ports.js';
import type { Router } from './router.js';
import type { SessionEnvironment } from './session-environment.js';
import type { WheelEntry } from './timer-wheel.js';

type State = 'awaiting-connect' | 'authenticating' | 'connected' | 'closing' | 'closed';

const HEART_BEAT = Buffer.from('\n');
const NO_BEAT: NegotiatedHeartBeat = Object.freeze({ sendEveryMs: 0, receiveEveryMs: 0 });
/** Two ticks of the wheel, so that a heart-beat is early rather than late whatever the interval. */
const HEART_BEAT_SLACK_MS = 100;

export class Session implements ConnectionListener, RawFrameSink, CommandContext, OutboxOwner, WheelEntry {
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
  #subscriptions: Map<string, Subscription> | null = null;
  #byNumber: Map<number, Subscription> | null = null;
  #lastSubscriptionNumber = 0;
  #heartBeat = NO_BEAT;
  readonly #acceptedMs: number;
  #lastReadMs: number;
  #overSoftSinceMs = 0;
  /** Set once: why the session ends. */
  #closeCode: CloseCode | null = null;
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
    if (isPlainSend && this.#state === 'connected' && this.version !== '1.0' && !this.#environment.tracesFrames) {
      return this.#sendPlain(raw);
    }
    return this.#handle(raw.decode(this.version));
  }

  /** The hot path: a SEND that asks for nothing but to be relayed. Every rule it skips is about headers it has not got. */
  #sendPlain(raw: RawFrame): boolean {
    try {
      const route = this.#routeOf(raw);
      this.router.publish(route, Message.fromPlain(this.nextMessageId(), raw));
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #routeOf(raw: RawFrame): Route {
    const { buffer, destinationStart: start, destinationEnd: end } = raw;
    const memo = this.#memoOctets;
    if (memo?.length === end - start) {
      let k = 0;
      while (k < memo.length && memo[k] === buffer[start + k]) k++;
      if (k === memo.length && this.#memoRoute?.isLive === true) return this.#memoRoute;
    }
    if (start === end) throw new BrokerError('header-missing', 'SEND needs a header "destination", got an empty one');
    const route = this.route(buffer.toString('utf8', start, end));
    this.#memoOctets = Buffer.from(buffer.subarray(start, end));
    this.#memoRoute = route;
    return route;
  }

  /** @returns whether the parser may go on */
  #handle(frame: Frame): boolean {
    const { logger, tracesFrames } = this.#environment;
    if (tracesFrames) logger.debug({ session: this.id, frame: traceFrame(frame) }, 'frame received');
    try {
      const pending = this.#dispatch(frame);
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
      this.#isSuspended = false;
      this.#fail(error, frame);
      this.connection.resume();
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

  nextMessageId(): number {
    return this.#environment.nextMessageId();
  }

  route(destination: string): Route {
    return this.router.route(destination);
  }

  authenticate(
    shown: Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>,
  ): Principal | Promise<Principal> {
    const { transport, remoteAddress } = this.connection;
    const handshake = this.connection.takeHandshake();
    return this.#environment.authenticator.authenticate({ sessionId: this.id, transport, remoteAddress, handshake, ...shown });
  }

  connected(welcome: Welcome): void {
    if (this.#state !== 'authenticating') return;
    const { options, wheel, registry, logger } = this.#environment;
    const { version, principal, clientId } = welcome;
    this.#principal = principal;
    if (clientId !== undefined && clientId !== '') {
      registry.claimClientId(clientId, this);
      this.#clientId = clientId;
    }
    this.#state = 'connected';
    this.#parser.version = this.#outbox.version = version;
    this.#parser.limits = options.limits.frame;
    const offer = options.heartBeat;
    this.#heartBeat = version === '1.0' ? NO_BEAT : negotiateHeartBeat(welcome.clientHeartBeat, offer);
    this.#outbox.enqueueControl(serializeFrame('CONNECTED', this.#connectedHeaders(welcome), version));
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
    if (receiptId !== undefined) this.#send('RECEIPT', [['receipt-id', receiptId]]);
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
  }

  disconnect(): void {
    this.close('client-disconnected');
  }

  // ——— Output and end ———

  #send(command: 'RECEIPT' | 'ERROR', headers: [string, string][], body?: Buffer): void {
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
    // Not now: a fan-out is walking the lists this session stands in.
    this.#outbox.close(true);
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
    this.#outbox.close(false);
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
    const { wheel, registry, stats, logger } = this.#environment;
    this.#release();
    this.#state = 'closed';
    this.#outbox.close(true);
    this.#backlog = null;
    wheel.cancel(this);
    registry.remove(this);
    const code = this.#closeCode ?? 'client-gone';
    stats.closed[code]++;
    const durationMs = Math.round(wheel.nowMs - this.#acceptedMs);
    logger.debug({ session: this.id, code, durationMs, cause: cause?.message }, 'closed');
  }

  /** Gives back everything held: transactions undone, subscriptions ended, unsettled messages to their queues. */
  #release(): void {
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

  /** Heart-beats of a connected session, both ways, and the soft limit of its outbox. */
  #beat(nowMs: number): number {
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
    return due === 0 ? 0 : Math.max(due, nowMs + 1);
  }

  #earlier(dueMs: number, otherMs: number): number {
    return dueMs === 0 ? otherMs : Math.min(dueMs, otherMs);
  }
}

/** Codes whose way to end is not just "refused". */
const CLOSE_CODE_OF: Readonly<Record<string, CloseCode | undefined>> = Object.freeze({
  'client-id-displaced': 'displaced',
  'connect-timeout': 'connect-timeout',
  'heart-beat-timeout': 'heart-beat-timeout',
  'server-shutdown': 'server-shutdown',
  internal: 'internal',
});
