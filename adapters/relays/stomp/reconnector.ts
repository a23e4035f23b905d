/** Keeps one connection to the external broker: after each loss the next attempt, later each time and never in step with others. */
import type { Clock } from '../../../broker/ports.js';
import type { Frame } from '../../../protocol/index.js';
import { UpstreamConnection, type UpstreamEnd, type UpstreamPorts, type UpstreamTerms } from './upstream-connection.js';

export interface ReconnectOptions {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** Part of a delay, 0 to 1, that may be left out by chance: nodes that lost one broker do not come back as one. */
  readonly jitter: number;
}

export interface ReconnectorEvents {
  onUp(connection: UpstreamConnection): void;
  onMessage(frame: Frame): void;
  /** A connection is over, or an attempt has failed. The next is on its way. */
  onDown(end: UpstreamEnd): void;
}

export interface ReconnectorPorts extends UpstreamPorts {
  readonly options: ReconnectOptions;
  /** 0 to 1, by chance. */
  readonly random: () => number;
}

/** After an ERROR the broker is well: so soon that nobody notices, and not within the call. */
const AFTER_ERROR_MS = 1;

export class Reconnector {
  readonly #terms: UpstreamTerms;
  readonly #events: ReconnectorEvents;
  readonly #ports: ReconnectorPorts;
  #connection: UpstreamConnection | null = null;
  #isUp = false;
  #isStopped = true;
  #failures = 0;
  #stopWaiting: (() => void) | null = null;

  constructor(terms: UpstreamTerms, events: ReconnectorEvents, ports: ReconnectorPorts) {
    this.#terms = terms;
    this.#events = events;
    this.#ports = ports;
  }

  /** Null while there is none. */
  get connection(): UpstreamConnection | null {
    return this.#isUp ? this.#connection : null;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#connect();
  }

  /** For good, in the connection's orderly way. */
  stop(): void {
    this.#isStopped = true;
    this.#isUp = false;
    this.#stopWaiting?.();
    this.#stopWaiting = null;
    this.#connection?.close();
    this.#connection = null;
  }

  #connect(): void {
    const events = this.#events;
    this.#connection = new UpstreamConnection(
      this.#terms,
      {
        onConnected: (connection) => {
          this.#isUp = true;
          this.#failures = 0;
          events.onUp(connection);
        },
        onMessage: (frame) => {
          events.onMessage(frame);
        },
        onEnd: (end) => {
          this.#onEnd(end);
        },
      },
      this.#ports,
    );
  }

  #onEnd(end: UpstreamEnd): void {
    this.#isUp = false;
    this.#connection = null;
    this.#wait(end.isRefusal && end.wasConnected ? AFTER_ERROR_MS : this.#nextDelayMs());
    this.#events.onDown(end);
  }

  #nextDelayMs(): number {
    const { options, random } = this.#ports;
    const { initialDelayMs, maxDelayMs, jitter } = options;
    const fullMs = Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(this.#failures++, 30));
    return Math.max(1, fullMs * (1 - jitter * random()));
  }

  #wait(delayMs: number): void {
    const { clock }: { clock: Clock } = this.#ports;
    const stop = clock.every(delayMs, () => {
      stop();
      this.#stopWaiting = null;
      this.#connect();
    });
    this.#stopWaiting = stop;
  }
}
