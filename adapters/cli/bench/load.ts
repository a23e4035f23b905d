/** Publishers that keep a schedule, receivers that count, and what came of it. */
import type { Frame } from '../../../protocol/index.js';
import type { StompClient } from '../stomp-client.js';
import { LatencyHistogram } from './latency-histogram.js';

export interface LoadOptions {
  /** Messages a second of all publishers; 0: each sends when its last one is confirmed. */
  readonly rate: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly bodyBytes: number;
  /** Deliveries that each message means. */
  readonly copies: number;
}

/** Where one publisher sends. */
export interface Publisher {
  readonly client: StompClient;
  readonly destination: string;
}

export interface LoadResult {
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  /** From the first to the last message that was due in the measured time. */
  readonly sentPerSecond: number;
  readonly deliveredPerSecond: number;
  /** How late the publishers were at worst: beyond some ms they are what was measured. */
  readonly behindMs: number;
  readonly latency: LatencyHistogram;
}

/** What is under way at the end is waited for so long after the last arrival. */
const PATIENCE_MS = 3_000;

export class Load {
  readonly #options: LoadOptions;
  readonly #latency = new LatencyHistogram();
  readonly #padding: string;
  #fromMs = Infinity;
  #untilMs = Infinity;
  #sent = 0;
  #lastArrivalMs = 0;
  #behindMs = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#padding = ' '.repeat(options.bodyBytes);
  }

  get delivered(): number {
    return this.#latency.count;
  }

  /** To be called for each MESSAGE. */
  received(frame: Frame): void {
    const nowMs = performance.now();
    const dueMs = Number(frame.body.toString('latin1', 0, 16));
    // Of the warm-up, or somebody else's.
    if (!this.#counts(dueMs)) return;
    this.#latency.add(nowMs - dueMs);
    this.#lastArrivalMs = nowMs;
  }

  /** Resolves when everything has arrived, or nothing more does. Rejects when a connection is lost. */
  async run(publishers: readonly Publisher[], lost: Promise<never>): Promise<LoadResult> {
    const { rate, warmUpMs, durationMs, copies } = this.#options;
    // A whole number, so that times are read back as they were written.
    const beganMs = Math.ceil(performance.now());
    this.#fromMs = beganMs + warmUpMs;
    this.#untilMs = this.#fromMs + durationMs;
    const work = rate === 0 ? this.#closedLoop(publishers) : this.#onSchedule(publishers, beganMs);
    await Promise.race([work, lost]);
    const expected = this.#sent * copies;
    const endMs = performance.now();
    this.#lastArrivalMs ||= endMs;
    while (this.delivered < expected && performance.now() - Math.max(endMs, this.#lastArrivalMs) < PATIENCE_MS) {
      await Promise.race([soon(), lost]);
    }
    const seconds = durationMs / 1_000;
    return {
      sent: this.#sent,
      delivered: this.delivered,
      lost: Math.max(0, expected - this.delivered),
      sentPerSecond: this.#sent / seconds,
      deliveredPerSecond: this.delivered / Math.max(seconds, (this.#lastArrivalMs - this.#fromMs) / 1_000),
      behindMs: this.#behindMs,
      latency: this.#latency,
    };
  }

  /** Message n is due n intervals after the start, whatever became of those before. */
  async #onSchedule(publishers: readonly Publisher[], beganMs: number): Promise<void> {
    const everyMs = 1_000 / this.#options.rate;
    for (let n = 0; ;) {
      const nowMs = performance.now();
      for (; ; n++) {
        const dueMs = beganMs + n * everyMs;
        if (dueMs >= this.#untilMs) return;
        if (dueMs > nowMs) break;
        const { client, destination } = publishers[n % publishers.length] as Publisher;
        void this.#send(client, destination, dueMs, false).catch(() => undefined);
        if (dueMs >= this.#fromMs) this.#behindMs = Math.max(this.#behindMs, nowMs - dueMs);
      }
      await soon();
    }
  }

  async #closedLoop(publishers: readonly Publisher[]): Promise<void> {
    const loop = async ({ client, destination }: Publisher): Promise<void> => {
      for (let nowMs = performance.now(); nowMs < this.#untilMs; nowMs = performance.now()) {
        await this.#send(client, destination, nowMs, true);
      }
    };
    await Promise.all(publishers.map(loop));
  }

  #counts(dueMs: number): boolean {
    return dueMs >= this.#fromMs && dueMs < this.#untilMs;
  }

  #send(client: StompClient, destination: string, dueMs: number, receipt: boolean): Promise<void> {
    // Every digit that is read back: 15 and the dot.
    const text = dueMs.toFixed(4).padStart(16, '0') + this.#padding;
    // As it is written there, so that it is counted here if it will be counted there.
    if (this.#counts(Number(text.slice(0, 16)))) this.#sent++;
    return client.send([['destination', destination]], Buffer.from(text.slice(0, this.#options.bodyBytes)), receipt);
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
