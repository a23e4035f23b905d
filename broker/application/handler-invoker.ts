/**
 * Calls `/app` handlers and sends what they return where it belongs (Spring S6.13–S6.23). A handler that takes its time
 * pauses its own session only, and not beyond its deadline.
 */
import { Headers, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import { decodePayload, encodePayload, validatePayload } from './payload.js';
import { fillVariables } from './path-variables.js';
import type { HandlerContext, HandlerEntry, HandlerKind, HandlerRegistry, ReplyOptions } from './handler-registry.js';
import type { MessagePublisher } from '../message-publisher.js';
import type { BrokerOptions } from '../options.js';
import type { Clock, Logger, Principal } from '../ports.js';
import type { BrokerStats } from '../stats.js';
import type { Subscription } from '../subscription.js';
import type { SessionHandle } from './session-handle.js';

export interface InvokerParts {
  readonly registry: HandlerRegistry;
  readonly publisher: MessagePublisher;
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: BrokerStats;
  readonly nextMessageId: () => number;
}

/** One frame on its way through a handler. */
interface Call {
  readonly entry: HandlerEntry;
  readonly path: string;
  readonly context: HandlerContext;
  readonly receipt: string | undefined;
  /** Of a SUBSCRIBE: where its result goes when nothing else is said. */
  readonly subscription: Subscription | null;
}

const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });
/** Paths remembered with their handler; more are looked up each time. */
const MAX_CACHED_PATHS = 10_000;

export class HandlerInvoker {
  readonly #parts: InvokerParts;
  readonly #cache: Readonly<Record<HandlerKind, Map<string, HandlerEntry | undefined>>> = {
    message: new Map(),
    subscribe: new Map(),
  };
  #cacheVersion = -1;

  constructor(parts: InvokerParts) {
    this.#parts = parts;
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
    subscription: Subscription | null = null,
  ): void | Promise<void> {
    const entry = this.#find(kind, path);
    if (entry === undefined) {
      // A SUBSCRIBE without a handler is nothing out of the ordinary; a SEND without one is lost (S4.4).
      if (kind === 'message') this.#parts.stats.messagesDropped++;
      this.#parts.logger.debug({ session: session.id, path, kind }, 'no handler');
      return;
    }
    const context = new CallContext(entry, path, frame, session);
    const call: Call = { entry, path, context, receipt: frame.headers.get('receipt'), subscription };
    return this.#run(call, frame);
  }

  #run(call: Call, frame: Frame): void | Promise<void> {
    let result: unknown;
    try {
      result = this.#call(call, frame);
    } catch (error) {
      return this.#failed(error, call);
    }
    if (!isThenable(result)) {
      return this.#replyOrFail(result, call);
    }
    return this.#withDeadline(result, call).then(
      (value) => this.#replyOrFail(value, call),
      (error: unknown) => this.#failed(error, call),
    );
  }

  #call({ entry, context }: Call, frame: Frame): unknown {
    const { schema } = entry.options;
    const decoded = decodePayload(frame.body, frame.headers.get('content-type'), schema !== undefined);
    const payload = schema === undefined ? decoded : validatePayload(decoded, schema);
    if (payload instanceof Promise) {
      return payload.then((checked: unknown) => entry.handler((context as CallContext).with(checked)));
    }
    return entry.handler((context as CallContext).with(payload));
  }

  #withDeadline(result: PromiseLike<unknown>, call: Call): Promise<unknown> {
    const { clock, options } = this.#parts;
    const deadlineMs = call.entry.options.deadlineMs ?? options.handlers.deadlineMs;
    return new Promise((resolve, reject) => {
      const stop = clock.every(deadlineMs, () => {
        stop();
        (call.context as CallContext).abort();
        reject(new BrokerError('handler-timeout', `The handler of ${call.entry.pattern} took over ${deadlineMs} ms`));
      });
      result.then(
        (value) => {
          stop();
          resolve(value);
        },
        (error: unknown) => {
          stop();
          reject(error as Error);
        },
      );
    });
  }

  #replyOrFail(value: unknown, call: Call): void | Promise<void> {
    try {
      this.#reply(value, call.entry.options, call);
    } catch (error) {
      return this.#failed(error, call);
    }
  }

  /** The application's error handler, if there is one; else the log, and the client when it waits for an answer. */
  #failed(error: unknown, call: Call): void | Promise<void> {
    const handler = this.#parts.registry.errorHandler(call.entry.pattern);
    if (handler === undefined) {
      this.#unhandled(error, call);
      return;
    }
    try {
      const result = handler.handler(error, call.context);
      if (!isThenable(result)) {
        this.#reply(result, handler.options, call);
        return;
      }
      return this.#withDeadline(result, call).then(
        (value) => {
          this.#reply(value, handler.options, call);
        },
        (second: unknown) => {
          this.#unhandled(second, call);
        },
      );
    } catch (second) {
      this.#unhandled(second, call);
    }
  }

  /** Spring's clients hear nothing of it and stay connected (S6.23); a client that asked for a receipt must not wait for ever. */
  #unhandled(error: unknown, { entry, context, receipt }: Call): void {
    const { logger, options } = this.#parts;
    const isRefusal = error instanceof BrokerError;
    const fields = { session: context.session.id, pattern: entry.pattern, code: isRefusal ? error.code : 'handler-failed' };
    if (isRefusal) logger.warn(fields, error.message);
    else logger.error({ ...fields, err: error }, 'a handler failed');
    if (receipt === undefined && options.refusals !== 'soft') return;
    if (isRefusal) throw error;
    throw new BrokerError('handler-failed', `The handler of ${entry.pattern} failed`, { cause: error });
  }

  #reply(value: unknown, options: ReplyOptions, call: Call): void {
    if (value === undefined || value === null) return;
    const { contentType, body } = encodePayload(value);
    const headers = new Headers([['content-type', contentType]]);
    const { sendTo, sendToUser } = options;
    const toUser = sendToUser !== undefined && sendToUser !== false;
    if (sendTo === undefined && !toUser) {
      if (call.subscription === null) this.#send([`/topic${slashed(call.path)}`], call, headers, body);
      else this.#answer(call.subscription, headers, body);
      return;
    }
    if (sendTo !== undefined) this.#send(typeof sendTo === 'string' ? [sendTo] : sendTo, call, headers, body);
    if (toUser) this.#sendToUser(sendToUser, options.broadcast ?? true, call, headers, body);
  }

  #send(destinations: readonly string[], call: Call, headers: Headers, body: Buffer): void {
    for (const template of destinations) {
      const destination = fillVariables(template, call.context.variables);
      this.#parts.publisher.publish(destination, headers, body, null);
    }
  }

  #sendToUser(to: true | string | readonly string[], broadcast: boolean, call: Call, headers: Headers, body: Buffer): void {
    const { session, user, variables } = call.context;
    const destinations = to === true ? [`/queue${slashed(call.path)}`] : typeof to === 'string' ? [to] : to;
    const toOne = user.name === null || !broadcast ? session.id : null;
    for (const template of destinations) {
      const rest = slashed(fillVariables(template, variables));
      this.#parts.publisher.publishToUser(user.name ?? session.id, rest, headers, body, toOne);
    }
  }

  /** One MESSAGE straight to the subscription, with the destination it subscribed to (S6.17). */
  #answer(subscription: Subscription, headers: Headers, body: Buffer): void {
    const named = new Headers([['destination', subscription.destination], ...headers]);
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
    // A handler may keep its body beyond the turn in which the read chunk is its own.
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
    this.#abort?.abort();
  }
}

function slashed(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
