/** A tracer provider that keeps its spans in memory, with a context manager over AsyncLocalStorage, as SDKs have them. */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  context,
  type Context,
  type ContextManager,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import type { Test } from 'tap';

/** What a test looks at. */
export interface KeptSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  status: SpanStatus;
  exceptions: number;
  isEnded: boolean;
}

class MemorySpan implements Span {
  readonly kept: KeptSpan;
  readonly #context: SpanContext;

  constructor(kept: KeptSpan, spanContext: SpanContext) {
    this.kept = kept;
    this.#context = spanContext;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  setAttribute(key: string, value: never): this {
    this.kept.attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    Object.assign(this.kept.attributes, attributes);
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  addLinks(): this {
    return this;
  }

  setStatus(status: SpanStatus): this {
    this.kept.status = status;
    return this;
  }

  updateName(): this {
    return this;
  }

  end(): void {
    this.kept.isEnded = true;
  }

  isRecording(): boolean {
    return !this.kept.isEnded;
  }

  recordException(): void {
    this.kept.exceptions++;
  }
}

class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    within: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(within, () => work.call(thisArg as never, ...args));
  }

  bind<T>(_within: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}

export class MemoryTracer implements TracerProvider {
  readonly spans: KeptSpan[] = [];
  #count = 0;

  /** Registered until the test ends. */
  static register(t: Test): MemoryTracer {
    const provider = new MemoryTracer();
    t.ok(trace.setGlobalTracerProvider(provider));
    t.ok(context.setGlobalContextManager(new AsyncContexts()));
    t.teardown(() => {
      trace.disable();
      context.disable();
    });
    return provider;
  }

  getTracer(): Tracer {
    return {
      startSpan: (name: string, options: SpanOptions = {}, parent: Context = context.active()): Span =>
        this.#start(name, options, trace.getSpanContext(parent)),
      startActiveSpan: () => {
        throw new Error('not used');
      },
    };
  }

  named(name: string): KeptSpan | undefined {
    return this.spans.find((span) => span.name === name);
  }

  #start(name: string, options: SpanOptions, parent: SpanContext | undefined): Span {
    const spanId = (++this.#count).toString(16).padStart(16, '0');
    const traceId = parent?.traceId ?? this.#count.toString(16).padStart(32, 'f');
    const kept: KeptSpan = {
      name,
      kind: options.kind ?? SpanKind.INTERNAL,
      attributes: { ...options.attributes },
      traceId,
      spanId,
      parentId: parent?.spanId,
      status: { code: SpanStatusCode.UNSET },
      exceptions: 0,
      isEnded: false,
    };
    this.spans.push(kept);
    const { traceState } = parent ?? {};
    return new MemorySpan(kept, {
      traceId,
      spanId,
      traceFlags: 1,
      ...(traceState === undefined ? {} : { traceState }),
    });
  }
}
