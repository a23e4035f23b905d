/**
 * What happens to sessions, told to the application (Spring S8): as calls in the turn it happens, or as a stream. A
 * listener that throws is logged and disturbs nobody (S8.7).
 */
import type { CloseCode } from '../close-reason.js';
import type { Handshake, Logger } from '../ports.js';
import type { SessionHandle, SubscriptionHandle } from './session-handle.js';

export interface SessionEventMap {
  /** CONNECT was accepted by authentication and rules; CONNECTED is not written yet. */
  readonly connect: {
    readonly session: SessionHandle;
    readonly headers: ReadonlyMap<string, string>;
    /** The HTTP request of a WebSocket or SockJS connection; null on TCP. */
    readonly handshake: Handshake | null;
  };
  /** CONNECTED is on its way. */
  readonly connected: { readonly session: SessionHandle };
  /** The subscription is live. */
  readonly subscribe: { readonly session: SessionHandle; readonly subscription: SubscriptionHandle };
  readonly unsubscribe: { readonly session: SessionHandle; readonly subscription: SubscriptionHandle };
  /**
   * The connection is gone; exactly once for each `connect`, also for connections that just dropped. `cause`: the fault
   * of the network that came with it, if there was one.
   */
  readonly disconnect: {
    readonly session: SessionHandle;
    readonly reason: CloseCode;
    readonly cause: Error | undefined;
  };
  /** The broker takes messages, or no longer. */
  readonly availability: { readonly available: boolean };
}

export type SessionEventName = keyof SessionEventMap;
/** One event as it comes out of `stream`. */
export type SessionEvent = {
  [Name in SessionEventName]: { readonly type: Name } & SessionEventMap[Name];
}[SessionEventName];

/** May be asynchronous: nobody waits for it. */
type Listener<Name extends SessionEventName> = (event: SessionEventMap[Name]) => unknown;

/** A reader of `stream` that falls this far behind loses the oldest: memory is bounded, and the reader is told. */
const MAX_STREAM_BACKLOG = 10_000;

export class SessionEvents {
  readonly #logger: Logger;
  readonly #listeners = new Map<SessionEventName, Set<Listener<SessionEventName>>>();
  readonly #streams = new Set<EventStream>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Calls `listener` at each event of that name, until the returned function is called. */
  on<Name extends SessionEventName>(name: Name, listener: Listener<Name>): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()));
    const added = listener as Listener<SessionEventName>;
    listeners.add(added);
    return () => {
      this.#listeners.get(name)?.delete(added);
    };
  }

  /** All events from now on, in order: `for await (const event of broker.events.stream())`. Ends when the loop does. */
  stream(): AsyncIterableIterator<SessionEvent> {
    const stream: EventStream = new EventStream(() => this.#streams.delete(stream), this.#logger);
    this.#streams.add(stream);
    return stream;
  }

  has(name: SessionEventName): boolean {
    return this.#streams.size > 0 || (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  emit<Name extends SessionEventName>(name: Name, event: SessionEventMap[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const result = listener(event);
        // A rejection that nobody looks at would end the process.
        if (result instanceof Promise) result.catch((error: unknown) => this.#report(name, error));
      } catch (error) {
        this.#report(name, error);
      }
    }
    for (const stream of this.#streams) stream.push({ type: name, ...event } as unknown as SessionEvent);
  }

  #report(event: SessionEventName, error: unknown): void {
    this.#logger.error({ err: error, event }, 'a session event listener threw');
  }

  /** Ends every stream. */
  close(): void {
    for (const stream of this.#streams) stream.finish();
  }
}

class EventStream implements AsyncIterableIterator<SessionEvent> {
  readonly #onReturn: () => void;
  readonly #logger: Logger;
  #backlog: SessionEvent[] = [];
  #waiting: ((result: IteratorResult<SessionEvent>) => void)[] = [];
  #isDone = false;
  #lost = 0;

  constructor(onReturn: () => void, logger: Logger) {
    this.#onReturn = onReturn;
    this.#logger = logger;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(event: SessionEvent): void {
    const reader = this.#waiting.shift();
    if (reader !== undefined) {
      reader({ done: false, value: event });
      return;
    }
    this.#backlog.push(event);
    if (this.#backlog.length <= MAX_STREAM_BACKLOG) return;
    this.#backlog.shift();
    if (this.#lost++ === 0) this.#logger.warn({ limit: MAX_STREAM_BACKLOG }, 'a reader of session events is too slow');
  }

  next(): Promise<IteratorResult<SessionEvent>> {
    const event = this.#backlog.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#isDone) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<SessionEvent>> {
    this.finish();
    this.#backlog = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  finish(): void {
    this.#isDone = true;
    this.#onReturn();
    for (const reader of this.#waiting) reader({ done: true, value: undefined });
    this.#waiting = [];
  }
}
