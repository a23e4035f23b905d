/**
 * Calls `/app` handlers and sends what they return where it belongs (Spring S6.13–S6.23). A handler that takes its time
 * pauses its own session only, and not beyond its deadline.
 */
import { Headers, type Frame } from '../../protocol/index.js';
import { withDeadline } from '../deadline.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import { encodePayload, readPayload } from './payload.js';
import { fillVariables } from './path-variables.js';
import type {
  ErrorEntry,
  HandlerContext,
  HandlerEntry,
  HandlerKind,
  HandlerRegistry,
  ReplyOptions,
} from './handler-registry.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Journal } from '../storage/journal.js';
import type { MessagePublisher } from '../message-publisher.js';
import type { BrokerOptions } from '../options.js';
import type { Clock, Logger, Principal, TraceSpan, Tracing } from '../ports.js';
import { traceHeadersOf } from '../trace-headers.js';
import type { BrokerStats } from '../stats.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { SessionHandle } from './session-handle.js';

export interface InvokerParts {
  readonly registry: HandlerRegistry;
  readonly publisher: MessagePublisher;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: BrokerStats;
  readonly nextMessageId: () => number;
  /** Null: nobody follows messages. */
  readonly tracing: Tracing | null;
}

export interface InvokeTerms {
  /** Of a SUBSCRIBE: where its result goes when nothing else is said. */
  readonly subscription?: Subscription | undefined;
  /** The handler has failed, and the client is not told. */
  readonly onUnhandled?: (() => void) | undefined;
}

/** One frame on its way through a handler. */
interface Call extends InvokeTerms {
  readonly entry: HandlerEntry;
  readonly path: string;
  readonly context: CallContext;
  /** The client waits for an answer to this frame. A SUBSCRIBE has its RECEIPT already: the subscription is there. */
  readonly isAwaited: boolean;
  /** Null: nobody follows it. */
  readonly span: TraceSpan | null;
  /** What replies carry on. */
  readonly trace: readonly (readonly [name: string, value: string])[];
}

const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });
/** Where answers to a SUBSCRIBE come from: nothing follows them, so their ACKs and NACKs just end them. */
const ANSWERS: MessageSource = {
  settled: () => undefined,
  returned: () => undefined,
  refused: () => undefined,
  ready: () => undefined,
};
/** Paths remembered with their handler; more are looked up each time. */
const MAX_CACHED_PATHS = 10_000;

export class HandlerInvoker {
  readonly #parts: InvokerParts;
  readonly #cache: Readonly<Record<HandlerKind, Map<string, HandlerEntry | undefined>>> = {
    message: new Map(),
    subscribe: new Map(),
  };
  #cacheVersion = -1;
  /** By session, which has one frame in work at a time. */
  readonly #waiting = new Map<string, CallContext>();

  constructor(parts: InvokerParts) {
    this.#parts = parts;
  }

  /** The session has lost its connection: a handler still at work for it may stop. */
  abort(sessionId: string): void {
    this.#waiting.get(sessionId)?.abort();
  }

  /**
   * @param path the destination without the application prefix
   * @throws BrokerError when nobody handles what the handler threw and the frame asks for a receipt, or refusals are soft
   */
  invoke(
    kind: HandlerKind,
    path: string,
    frame: Frame,
    session: SessionHandle,
    terms: InvokeTerms = {},
  ): void | Promise<void> {
    const receipt = kind === 'message' ? frame.headers.get('receipt') : undefined;
    const isAwaited = receipt !== undefined || this.#parts.options.refusals === 'soft';
    let entry: HandlerEntry | undefined;
    try {
      entry = this.#find(kind, path);
    } catch (error) {
      this.#unhandled(error, { session: session.id, path }, { isAwaited, ...terms });
      return;
    }
    if (entry === undefined) {
      // A SUBSCRIBE without a handler is nothing out of the ordinary; a SEND without one is lost (S4.4).
      if (kind === 'message') this.#parts.stats.messagesDropped++;
      this.#parts.logger.debug({ session: session.id, path, kind }, 'no handler');
      return;
    }
    const context = new CallContext(entry, path, frame, session);
    const common = { entry, path, context, isAwaited, ...terms };
    const { tracing } = this.#parts;
    if (tracing === null) return this.#run({ ...common, span: null, trace: traceHeadersOf(frame.headers) }, frame);
    const { destination } = context;
    const { pattern } = entry;
    const span = tracing.handling({ destination, pattern, sessionId: session.id, headers: frame.headers });
    return this.#follow({ ...common, span, trace: span.headers }, span, frame);
  }

  #follow(call: Call, span: TraceSpan, frame: Frame): void | Promise<void> {
    const end = (): void => {
      span.end();
    };
    let pending: void | Promise<void>;
    try {
      pending = span.run(() => this.#run(call, frame));
    } catch (error) {
      end();
      throw error;
    }
    if (pending instanceof Promise) return pending.finally(end);
    end();
  }

  #run(call: Call, frame: Frame): void | Promise<void> {
    let result: unknown;
    try {
      result = this.#call(call, frame);
    } catch (error) {
      return this.#failed(error, call);
    }
    if (!isThenable(result)) return this.#replyOrFail(result, call);
    return this.#inTime(result, call).then(
      (value) => this.#replyOrFail(value, call),
      (error: unknown) => this.#failed(error, call),
    );
  }

  #call({ entry, context }: Call, frame: Frame): unknown {
    const payload = readPayload(frame.body, frame.headers.get('content-type'), entry.options.schema);
    if (payload instanceof Promise) return payload.then((checked: unknown) => entry.handler(context.with(checked)));
    return entry.handler(context.with(payload));
  }

  #inTime(result: PromiseLike<unknown>, { entry, context }: Call): Promise<unknown> {
    const { clock, options } = this.#parts;
    const deadlineMs = entry.options.deadlineMs ?? options.handlers.deadlineMs;
    const { id } = context.session;
    this.#waiting.set(id, context);
    const settled = withDeadline(result, clock, deadlineMs, () => {
      context.abort();
      return new BrokerError('handler-timeout', `The handler of ${entry.pattern} took over ${deadlineMs} ms`);
    });
    const end = (): void => {
      if (this.#waiting.get(id) === context) this.#waiting.delete(id);
    };
    settled.then(end, end);
    return settled;
  }

  #replyOrFail(value: unknown, call: Call): void | Promise<void> {
    try {
      return this.#reply(value, call.entry.options, call)?.catch((error: unknown) => this.#failed(error, call));
    } catch (error) {
      return this.#failed(error, call);
    }
  }

  /** The application's error handlers, nearest first, until one does not throw; else the log, and a client that waits. */
  #failed(error: unknown, call: Call, handlers = call.entry.errors.entries()): void | Promise<void> {
    call.span?.fail(error);
    const [nearest, ...outer] = handlers;
    if (nearest === undefined) {
      this.#unhandled(error, { session: call.context.session.id, pattern: call.entry.pattern }, call);
      return;
    }
    try {
      return this.#recover(error, nearest, call)?.then(undefined, (second: unknown) =>
        this.#failed(second, call, outer),
      );
    } catch (second) {
      return this.#failed(second, call, outer);
    }
  }

  #recover(error: unknown, { handler, options }: ErrorEntry, call: Call): Promise<void> | undefined {
    const result = handler(error, call.context);
    if (isThenable(result)) return this.#inTime(result, call).then((value) => this.#reply(value, options, call));
    return this.#reply(result, options, call);
  }

  /** Spring's clients hear nothing of it and stay connected (S6.23); one that asked for a receipt must not wait for ever. */
  #unhandled(
    error: unknown,
    where: Readonly<Record<string, string>>,
    { isAwaited, onUnhandled }: Pick<Call, 'isAwaited' | 'onUnhandled'>,
  ): void {
    const { logger } = this.#parts;
    const refusal = error instanceof BrokerError ? error : null;
    const fields = { ...where, code: refusal?.code ?? 'handler-failed' };
    if (refusal === null) logger.error({ ...fields, err: error }, 'a handler failed');
    else logger.warn(fields, refusal.message);
    if (!isAwaited) onUnhandled?.();
    else throw refusal ?? new BrokerError('handler-failed', 'The handler of this destination failed', { cause: error });
  }

  /** @returns a promise when something of the reply has to be stored */
  #reply(value: unknown, options: ReplyOptions, call: Call): Promise<void> | undefined {
    if (value === undefined || value === null) return undefined;
    const { contentType, body } = encodePayload(value);
    const headers = new Headers([['content-type', contentType], ...call.trace]);
    const { sendTo, sendToUser } = options;
    const toUser = sendToUser !== undefined && sendToUser !== false;
    if (sendTo === undefined && !toUser) {
      if (call.subscription === undefined)
        return this.#send({ sendTo: `/topic${slashed(call.path)}` }, call, headers, body);
      this.#answer(call.subscription, headers, body);
      return undefined;
    }
    return this.#send(options, call, headers, body);
  }

  #send(options: ReplyOptions, call: Call, headers: Headers, body: Buffer): Promise<void> | undefined {
    const { sendTo, sendToUser, broadcast = true } = options;
    const unit = new WriteUnit(this.#parts.journal);
    const reply: Reply = { call, headers, body, unit };
    void unit.fill(() => {
      if (sendTo !== undefined) this.#sendTo(typeof sendTo === 'string' ? [sendTo] : sendTo, reply);
      if (sendToUser !== undefined && sendToUser !== false) this.#sendToUser(sendToUser, broadcast, reply);
    });
    return unit.submit();
  }

  #sendTo(destinations: readonly string[], { call, headers, body, unit }: Reply): void {
    for (const template of destinations) {
      const destination = fillVariables(template, call.context.variables);
      this.#parts.publisher.publish(destination, headers, body, null, unit);
    }
  }

  #sendToUser(to: true | string | readonly string[], broadcast: boolean, { call, headers, body, unit }: Reply): void {
    const { session, user, variables } = call.context;
    const destinations = to === true ? [`/queue${slashed(call.path)}`] : typeof to === 'string' ? [to] : to;
    const toOne = user.name === null || !broadcast ? session.id : null;
    for (const template of destinations) {
      const rest = slashed(fillVariables(template, variables));
      this.#parts.publisher.publishToUser(user.name ?? session.id, rest, headers, body, toOne, unit);
    }
  }

  /** One MESSAGE straight to the subscription, with the destination it subscribed to (S6.17). */
  #answer(subscription: Subscription, headers: Headers, body: Buffer): void {
    const named = new Headers([['destination', subscription.destination], ...headers]);
    subscription.source ??= ANSWERS;
    subscription.deliver(Message.fromHeaders(this.#parts.nextMessageId(), named, body), 1);
  }

  #find(kind: HandlerKind, path: string): HandlerEntry | undefined {
    const { registry } = this.#parts;
    const cache = this.#cache[kind];
    if (this.#cacheVersion !== registry.version) {
      this.#cache.message.clear();
      this.#cache.subscribe.clear();
      this.#cacheVersion = registry.version;
    }
    if (cache.has(path)) return cache.get(path);
    const entry = registry.find(kind, path);
    if (cache.size < MAX_CACHED_PATHS) cache.set(path, entry);
    return entry;
  }
}

/** What goes to each destination of one reply. */
interface Reply {
  readonly call: Call;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly unit: WriteUnit;
}

/** What a handler is given; the parts that cost something are made when they are asked for. */
class CallContext implements HandlerContext {
  readonly payload: unknown;
  readonly body: Buffer;
  readonly destination: string;
  readonly session: SessionHandle;
  readonly user: Principal;
  readonly #entry: HandlerEntry;
  readonly #path: string;
  readonly #frame: Frame;
  #abort: AbortController | null = null;
  #headers: ReadonlyMap<string, string> | null = null;
  #variables: Readonly<Record<string, string>> | null = null;

  constructor(entry: HandlerEntry, path: string, frame: Frame, session: SessionHandle) {
    this.#entry = entry;
    this.#path = path;
    this.#frame = frame;
    this.session = session;
    this.user = session.user ?? ANONYMOUS;
    this.body = frame.body;
    this.destination = frame.headers.get('destination') ?? '';
  }

  get headers(): ReadonlyMap<string, string> {
    return (this.#headers ??= this.#frame.headers.toMap());
  }

  get variables(): Readonly<Record<string, string>> {
    return (this.#variables ??= this.#entry.variables.read(this.#path));
  }

  get signal(): AbortSignal {
    return (this.#abort ??= new AbortController()).signal;
  }

  with(payload: unknown): this {
    (this as { payload: unknown }).payload = payload;
    return this;
  }

  abort(): void {
    (this.#abort ??= new AbortController()).abort();
  }
}

function slashed(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
