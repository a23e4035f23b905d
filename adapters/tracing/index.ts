/** Spans of what the broker does, for whoever has registered a tracer provider. */
export { composeTracing } from './otel-tracing.js';
