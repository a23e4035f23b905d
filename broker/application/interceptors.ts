/**
 * Looking at, changing, dropping and refusing frames on their way (Spring S9.1–S9.3, S9.7a). Three channels: from clients,
 * to clients, and into the broker. A channel without interceptors is null and costs one comparison.
 */
import type { Frame } from '../../protocol/index.js';
import { withDeadline } from '../deadline.js';
import { BrokerError } from '../errors.js';
import type { Clock } from '../ports.js';
import type { SessionHandle } from './session-handle.js';

/**
 * Returns the frame, changed or not; null drops it in silence: no effect, no RECEIPT, no ERROR. Throwing refuses it: a
 * BrokerError's code and text reach the client in ERROR, anything else is `internal`. A promise holds back the session's
 * frames, for `handlers.deadlineMs` at most: then the frame is refused as `handler-timeout`.
 */
export type InboundInterceptor = (frame: Frame, session: SessionHandle) => Frame | null | Promise<Frame | null>;

/** Sees CONNECTED, MESSAGE and RECEIPT before they are queued; null or an error loses that frame for that client alone. */
export type OutboundInterceptor = (frame: Frame, session: SessionHandle) => Frame | null;

/** A message that enters the broker, from a client, a handler's reply or the application. */
export interface BrokerMessage {
  readonly destination: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** Returns the message, changed or not; null drops it; throwing refuses it to whoever sent it. */
export type BrokerInterceptor = (message: BrokerMessage) => BrokerMessage | null;

/** The interceptors of one broker; each channel null while it has none. */
export class Interceptors {
  inbound: InboundInterceptor[] | null = null;
  outbound: OutboundInterceptor[] | null = null;
  broker: BrokerInterceptor[] | null = null;
  readonly #clock: Clock;
  readonly #deadlineMs: number;

  constructor(clock: Clock, deadlineMs: number) {
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  addInbound(interceptor: InboundInterceptor): void {
    (this.inbound ??= []).push(interceptor);
  }

  addOutbound(interceptor: OutboundInterceptor): void {
    (this.outbound ??= []).push(interceptor);
  }

  addBroker(interceptor: BrokerInterceptor): void {
    (this.broker ??= []).push(interceptor);
  }

  /** Runs the inbound channel in order of registration; a promise only when one of them returned one. */
  applyInbound(frame: Frame, session: SessionHandle): Frame | null | Promise<Frame | null> {
    return this.#applyFrom(0, frame, session);
  }

  applyOutbound(frame: Frame, session: SessionHandle): Frame | null {
    let current: Frame | null = frame;
    for (const intercept of this.outbound ?? []) {
      if (current === null) return null;
      current = intercept(current, session);
    }
    return current;
  }

  applyBroker(message: BrokerMessage): BrokerMessage | null {
    let current: BrokerMessage | null = message;
    for (const intercept of this.broker ?? []) {
      if (current === null) return null;
      current = intercept(current);
    }
    return current;
  }

  #applyFrom(start: number, frame: Frame, session: SessionHandle): Frame | null | Promise<Frame | null> {
    const inbound = this.inbound ?? [];
    let current: Frame | null = frame;
    for (let k = start; k < inbound.length && current !== null; k++) {
      const result: Frame | null | Promise<Frame | null> | undefined = inbound[k]?.(current, session);
      if (result instanceof Promise) {
        return this.#inTime(result).then((next) => (next === null ? null : this.#applyFrom(k + 1, next, session)));
      }
      current = result ?? null;
    }
    return current;
  }

  #inTime(promise: Promise<Frame | null>): Promise<Frame | null> {
    const ms = this.#deadlineMs;
    return withDeadline(
      promise,
      this.#clock,
      ms,
      () => new BrokerError('handler-timeout', `An interceptor took over ${ms} ms`),
    );
  }
}
