/** Traces that go with messages. */
/** A frame on its way through an `/app` handler. */
export interface TracedHandling {
  readonly destination: string;
  /** As the handler was registered, behind the prefix. */
  readonly pattern: string;
  readonly sessionId: string;
  readonly headers: Iterable<readonly [name: string, value: string]>;
}

/** A message that enters the broker. */
export interface TracedSending {
  readonly destination: string;
  /** With few values, where the destination has many: `/user/{user}/queue/orders`. */
  readonly template: string | undefined;
  /** False: the application's own, or a handler's reply. */
  readonly isFromClient: boolean;
  readonly headers: Iterable<readonly [name: string, value: string]>;
}

/** Work that is being followed. */
export interface TraceSpan {
  /** What a message of this work carries: `traceparent`, and `tracestate` if there is any. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Runs `work` so that whatever it begins, now or later, belongs to it. */
  run<T>(work: () => T): T;
  /** It has failed; it is to be ended nevertheless. */
  fail(error: unknown): void;
  end(): void;
}

/** Follows messages through the broker, for whoever records that. Throws nothing of its own. */
export interface Tracing {
  /** To be ended when the handler's work and its replies are done. */
  handling(handling: TracedHandling): TraceSpan;
  /** @param work takes what the message is to carry instead of what it carries; empty: as it is */
  sending<T>(sending: TracedSending, work: (trace: readonly (readonly [name: string, value: string])[]) => T): T;
}
