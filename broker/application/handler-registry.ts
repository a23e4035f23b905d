/**
 * `/app` handlers by pattern: what `@MessageMapping` and `@SubscribeMapping` are in Spring (Spring S6.1–S6.4). Registered
 * by the application at any time; found once per destination and remembered until the next registration.
 */
import { quoteInput } from '../../protocol/index.js';
import { compileSegment, hasWildcard, isPattern, splitSegments } from '../destinations/pattern.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { BrokerError } from '../errors.js';
import { VariableReader, type PathVariables } from './path-variables.js';
import { compareSpecificity } from './pattern-specificity.js';
import type { Principal } from '../ports.js';
import type { SessionHandle } from './session-handle.js';
import type { SchemaOutput, StandardSchema } from './standard-schema.js';

/** What a handler is given. */
export interface HandlerContext<Variables = Readonly<Record<string, string>>, Payload = unknown> {
  /**
   * What the handler's schema makes of the body. Without a schema by content-type: JSON as a value, `text/*` and no
   * content-type as a string, everything else as a Buffer.
   */
  readonly payload: Payload;
  /** Of the pattern's `{name}` parts. */
  readonly variables: Variables;
  /** Of the frame; the first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * The body's octets: part of what was read from the socket, never written to again. To keep it for long, copy it, or
   * up to 64 KiB around it stay in memory with it.
   */
  readonly body: Buffer;
  /** As the client wrote it, prefix included. */
  readonly destination: string;
  readonly user: Principal;
  readonly session: SessionHandle;
  /** Aborted when the handler's deadline passes or the session ends. */
  readonly signal: AbortSignal;
}

export interface ReplyOptions {
  /** Where the result goes: destinations, with `{name}` filled from the path. */
  readonly sendTo?: string | readonly string[] | undefined;
  /** To the sender: destinations behind `/user/{name}`; true is `/queue` + the path. */
  readonly sendToUser?: boolean | string | readonly string[] | undefined;
  /** With `sendToUser`: all sessions of the user, or just the one that sent. Default true. */
  readonly broadcast?: boolean | undefined;
}

export interface HandlerOptions<Schema extends StandardSchema | undefined = undefined> extends ReplyOptions {
  /** Any Standard Schema (zod, valibot, arktype …). */
  readonly schema?: Schema;
  /** How long the handler may take before its session goes on without it, in ms. Default: `handlers.deadlineMs`. */
  readonly deadlineMs?: number | undefined;
}

/** Returns the reply, or nothing, now or later. */
export type Handler<Variables, Payload> = (context: HandlerContext<Variables, Payload>) => unknown;

/**
 * Called with what a handler threw; its result is a reply like a handler's, `/topic` + the path unless told otherwise.
 * What it throws, the same error or another, goes to the error handler of the group around its own, then to the global one.
 */
export type ErrorHandler = (error: unknown, context: HandlerContext) => unknown;

export type HandlerKind = 'message' | 'subscribe';

export interface HandlerEntry {
  readonly kind: HandlerKind;
  readonly pattern: string;
  readonly handler: Handler<Readonly<Record<string, string>>, unknown>;
  readonly options: HandlerOptions<StandardSchema | undefined>;
  readonly variables: VariableReader;
  /** Whom to ask about what the handler throws. */
  readonly errors: ErrorScope;
}

export interface ErrorEntry {
  readonly handler: ErrorHandler;
  readonly options: ReplyOptions;
}

/** One group's error handler and what stands around the group: Spring's controller first, then the shared advice (S6.22). */
class ErrorScope {
  readonly #around: ErrorScope | null;
  entry: ErrorEntry | null = null;

  constructor(around: ErrorScope | null) {
    this.#around = around;
  }

  /** This scope's handler and those around it, nearest first. */
  entries(): readonly ErrorEntry[] {
    const outer = this.#around?.entries() ?? [];
    return this.entry === null ? outer : [this.entry, ...outer];
  }
}

export type PayloadOf<Schema> = Schema extends StandardSchema ? SchemaOutput<Schema> : unknown;

/** Registers handlers under a common prefix: a class-level mapping. */
export interface HandlerGroup {
  /** For SENDs. @throws BrokerError `handler-exists` for a pattern that has a handler */
  message<const Pattern extends string, Schema extends StandardSchema | undefined = undefined>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, PayloadOf<Schema>>,
    options?: HandlerOptions<Schema>,
  ): this;
  /** For SUBSCRIBEs; without `sendTo` and `sendToUser` the result goes straight to the subscription. */
  subscribeMapping<const Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, unknown>,
    options?: HandlerOptions,
  ): this;
  /** For what handlers of this group throw; one for each group, the latest counts. */
  onError(handler: ErrorHandler, options?: ReplyOptions): this;
  group(prefix: string, register: (group: HandlerGroup) => void): this;
}

export class HandlerRegistry implements HandlerGroup {
  readonly #separator: string;
  readonly #entries: Readonly<Record<HandlerKind, SubscriptionIndex<HandlerEntry>>>;
  readonly #exact: Readonly<Record<HandlerKind, Map<string, HandlerEntry>>> = {
    message: new Map(),
    subscribe: new Map(),
  };
  readonly #errors = new ErrorScope(null);
  /** Changes with every registration: routes that remember their handler compare it. */
  version = 0;

  constructor(separator: string) {
    this.#separator = separator;
    this.#entries = { message: new SubscriptionIndex(separator), subscribe: new SubscriptionIndex(separator) };
  }

  get size(): number {
    return this.#exact.message.size + this.#exact.subscribe.size;
  }

  /** All of them, each kind in the order of registration. */
  *entries(): Generator<HandlerEntry> {
    yield* this.#exact.message.values();
    yield* this.#exact.subscribe.values();
  }

  message<const Pattern extends string, Schema extends StandardSchema | undefined = undefined>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, PayloadOf<Schema>>,
    options: HandlerOptions<Schema> = {},
  ): this {
    this.add('message', pattern, handler as HandlerEntry['handler'], options, this.#errors);
    return this;
  }

  subscribeMapping<const Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, unknown>,
    options: HandlerOptions = {},
  ): this {
    this.add('subscribe', pattern, handler as HandlerEntry['handler'], options, this.#errors);
    return this;
  }

  onError(handler: ErrorHandler, options: ReplyOptions = {}): this {
    this.#errors.entry = { handler, options };
    return this;
  }

  group(prefix: string, register: (group: HandlerGroup) => void): this {
    register(new PrefixedGroup(this, this.normalize(prefix), new ErrorScope(this.#errors)));
    return this;
  }

  /** A leading separator is added where it is missing, when the separator is a slash (S6.2). */
  normalize(pattern: string): string {
    return this.#separator === '/' && !pattern.startsWith('/') ? `/${pattern}` : pattern;
  }

  /** `/chat` + `/m`, `/chat/` + `m`, `/chat/*` + `/m` → `/chat/m` (S6.2). */
  combine(prefix: string, pattern: string): string {
    const separator = this.#separator;
    let head = prefix;
    if (head.endsWith(`${separator}*`)) head = head.slice(0, -2);
    if (head.endsWith(separator)) head = head.slice(0, -1);
    const tail = pattern.startsWith(separator) ? pattern.slice(1) : pattern;
    return tail === '' ? head : `${head}${separator}${tail}`;
  }

  /** @throws BrokerError `handler-exists`; `destination-invalid` for a pattern that cannot be read */
  add(
    kind: HandlerKind,
    given: string,
    handler: HandlerEntry['handler'],
    options: HandlerEntry['options'],
    errors: ErrorScope,
  ): void {
    const pattern = this.normalize(given);
    if (this.#exact[kind].has(pattern)) {
      throw new BrokerError('handler-exists', `There is a ${kind} handler for ${quoteInput(pattern, 120)} already`);
    }
    for (const segment of splitSegments(pattern, this.#separator)) if (hasWildcard(segment)) compileSegment(segment);
    const entry = { kind, pattern, handler, options, errors, variables: new VariableReader(pattern, this.#separator) };
    if (isPattern(pattern)) this.#entries[kind].add(pattern, entry);
    this.#exact[kind].set(pattern, entry);
    this.version++;
  }

  /**
   * The handler for a path (the destination without the application prefix): the exact one, else the most specific pattern.
   * @throws BrokerError `handler-failed` when two patterns are equally specific
   */
  find(kind: HandlerKind, path: string): HandlerEntry | undefined {
    const exact = this.#exact[kind].get(path);
    if (exact !== undefined && !isPattern(exact.pattern)) return exact;
    const compare = (a: HandlerEntry, b: HandlerEntry): number =>
      compareSpecificity(a.pattern, b.pattern, this.#separator);
    const [best, second] = [...this.#entries[kind].match(path)].sort(compare);
    if (best !== undefined && second !== undefined && compare(best, second) === 0) {
      const patterns = `${best.pattern} and ${second.pattern}`;
      throw new BrokerError('handler-failed', `Handlers ${patterns} are equally specific for ${quoteInput(path, 120)}`);
    }
    return best;
  }
}

class PrefixedGroup implements HandlerGroup {
  readonly #registry: HandlerRegistry;
  readonly #prefix: string;
  readonly #errors: ErrorScope;

  constructor(registry: HandlerRegistry, prefix: string, errors: ErrorScope) {
    this.#registry = registry;
    this.#prefix = prefix;
    this.#errors = errors;
  }

  message<const Pattern extends string, Schema extends StandardSchema | undefined = undefined>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, PayloadOf<Schema>>,
    options: HandlerOptions<Schema> = {},
  ): this {
    this.#registry.add('message', this.#under(pattern), handler as HandlerEntry['handler'], options, this.#errors);
    return this;
  }

  subscribeMapping<const Pattern extends string>(
    pattern: Pattern,
    handler: Handler<PathVariables<Pattern>, unknown>,
    options: HandlerOptions = {},
  ): this {
    this.#registry.add('subscribe', this.#under(pattern), handler as HandlerEntry['handler'], options, this.#errors);
    return this;
  }

  onError(handler: ErrorHandler, options: ReplyOptions = {}): this {
    this.#errors.entry = { handler, options };
    return this;
  }

  group(prefix: string, register: (group: HandlerGroup) => void): this {
    register(new PrefixedGroup(this.#registry, this.#under(prefix), new ErrorScope(this.#errors)));
    return this;
  }

  #under(pattern: string): string {
    return this.#registry.combine(this.#prefix, pattern);
  }
}
