/**
 * The broker's spans over the OpenTelemetry API, with the attributes of its conventions for messaging. Nothing is exported
 * from here: that is for the SDK that the process has registered.
 */
import {
  type Attributes,
  context,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { BrokerError } from '../../broker/errors.js';
import type { TracedHandling, TracedSending, TraceSpan, Tracing } from '../../broker/ports.js';
import { packageVersion } from '../package-version.js';
import { CarriedTraceState } from './carried-trace-state.js';

type HeaderList = readonly (readonly [name: string, value: string])[];
type Carrier = Iterable<readonly [name: string, value: string]>;

const NAME = 'hoofbeat';
/** Version 00 (W3C Trace Context, 3.2.2); later ones may be longer. */
const TRACE_PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Null when no provider is registered yet: then the broker does not even ask. */
export function composeTracing(): Tracing | null {
  const provider: object = trace.getTracerProvider();
  // What the API hands out until somebody registers says so in its own way, whichever copy of the API made it.
  if ('getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function') {
    const delegated = (provider as { getDelegateTracer(name: string): Tracer | undefined }).getDelegateTracer(NAME);
    if (delegated === undefined) return null;
  }
  return new OtelTracing(trace.getTracer(NAME, packageVersion()));
}

class OtelTracing implements Tracing {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  handling({ destination, pattern, sessionId, headers }: TracedHandling): TraceSpan {
    const attributes: Attributes = {
      ...attributesOf('process', 'process', destination, pattern),
      'session.id': sessionId,
      ...conversationOf(headers),
    };
    const parent = parentOf(headers) ?? context.active();
    const span = this.#tracer.startSpan(`process ${pattern}`, { kind: SpanKind.CONSUMER, attributes }, parent);
    return new OtelSpan(span, trace.setSpan(parent, span));
  }

  sending<T>(sending: TracedSending, work: (trace: HeaderList) => T): T {
    const { destination, template, isFromClient, headers } = sending;
    // A client's message is passed on: the client is who begins a trace, or does not.
    const parent = parentOf(headers) ?? (isFromClient ? null : context.active());
    if (parent === null) return work([]);
    const name = isFromClient ? 'publish' : 'send';
    const attributes = { ...attributesOf(name, 'send', destination, template), ...conversationOf(headers) };
    const kind = isFromClient ? SpanKind.SERVER : SpanKind.PRODUCER;
    const span = this.#tracer.startSpan(`${name} ${template ?? destination}`, { kind, attributes }, parent);
    const traced = new OtelSpan(span, trace.setSpan(parent, span));
    try {
      return work(traced.headers);
    } catch (error) {
      traced.fail(error);
      throw error;
    } finally {
      traced.end();
    }
  }
}

class OtelSpan implements TraceSpan {
  readonly #span: Span;
  readonly #context: Context;

  constructor(span: Span, within: Context) {
    this.#span = span;
    this.#context = within;
  }

  get headers(): HeaderList {
    const { traceId, spanId, traceFlags, traceState } = this.#span.spanContext();
    const flags = traceFlags.toString(16).padStart(2, '0');
    const state = traceState?.serialize() ?? '';
    const parent = ['traceparent', `00-${traceId}-${spanId}-${flags}`] as const;
    return state === '' ? [parent] : [parent, ['tracestate', state]];
  }

  run<T>(work: () => T): T {
    return context.with(this.#context, work);
  }

  fail(error: unknown): void {
    const type = error instanceof BrokerError ? error.code : error instanceof Error ? error.name : '_OTHER';
    const message = error instanceof Error ? error.message : String(error);
    this.#span.setAttribute('error.type', type);
    this.#span.recordException(error instanceof Error ? error : message);
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message });
  }

  end(): void {
    this.#span.end();
  }
}

function attributesOf(operation: string, type: string, destination: string, template: string | undefined): Attributes {
  return {
    'messaging.system': NAME,
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': destination,
    ...(template === undefined ? {} : { 'messaging.destination.template': template }),
  };
}

function conversationOf(headers: Carrier): Attributes {
  const id = valueOf(headers, 'correlation-id');
  return id === undefined ? {} : { 'messaging.message.conversation_id': id };
}

/** Null: the headers name none, or one that cannot be read, which counts the same (W3C Trace Context, 4.3). */
function parentOf(headers: Carrier): Context | null {
  const found = TRACE_PARENT.exec(valueOf(headers, 'traceparent') ?? '');
  if (found === null) return null;
  const [, traceId = '', spanId = '', flags = '00'] = found;
  const state = valueOf(headers, 'tracestate');
  return trace.setSpanContext(context.active(), {
    traceId,
    spanId,
    traceFlags: parseInt(flags, 16) & 1,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: CarriedTraceState.parse(state) }),
  });
}

function valueOf(headers: Carrier, wanted: string): string | undefined {
  for (const [name, value] of headers) if (name === wanted) return value;
  return undefined;
}
