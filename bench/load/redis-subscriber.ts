/** Bare Redis Pub/Sub, the receiving end: connections of ioredis that count what arrives, as Buffers. */
import { Redis } from 'ioredis';
import { LatencyRecorder } from './latency-recorder.js';
import type { LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { channelsOf, END_OF_ROUND, monotonicMs } from './redis-channels.js';

/** Nothing takes that long; whoever does has lost something. */
const ROUND_MS = 60_000;

export class RedisSubscriber implements LoadTask {
  readonly #clients: readonly Redis[];
  /** Ends that a round has: one for each connection and channel. */
  readonly #endsOfRound: number;
  #received = 0;
  #ends = 0;
  #endMs = 0;
  #onEnd: () => void = () => undefined;
  /** When each message of a connection arrived; null: nobody asked. */
  #arrivalsMs: number[][] | null = null;

  private constructor(clients: readonly Redis[], channels: number) {
    this.#clients = clients;
    this.#endsOfRound = clients.length * channels;
    for (const [index, client] of clients.entries()) {
      client.on('messageBuffer', (_channel: Buffer, body: Buffer) => {
        if (body.length === END_OF_ROUND.length) {
          this.#ends++;
          this.#endMs = monotonicMs();
          this.#onEnd();
          return;
        }
        this.#received++;
        this.#arrivalsMs?.[index]?.push(monotonicMs());
      });
    }
  }

  /** Settings: `topics`, `subscribers`: connections, each to all of them. @param target whose port is that of Redis */
  static async open({ port }: LoadTarget, { topics, subscribers }: LoadSettings): Promise<RedisSubscriber> {
    const clients = Array.from({ length: Number(subscribers) }, () => new Redis({ port, host: '127.0.0.1' }));
    const channels = channelsOf(Number(topics));
    await Promise.all(clients.map((client) => client.subscribe(...channels)));
    return new RedisSubscriber(clients, channels.length);
  }

  /**
   * What one round of the publisher brings. Settings: `isTimed`, to be asked afterwards with `startMs` and
   * `messagesPerSecond` for percentiles instead. Figures: `endMs`, by `monotonicMs`, or the percentiles.
   */
  async round({ isTimed, startMs, messagesPerSecond }: LoadSettings): Promise<RoundFigures> {
    if (startMs !== undefined) return this.#percentiles(Number(startMs), 1000 / Number(messagesPerSecond));
    const beganMs = monotonicMs();
    this.#arrivalsMs = isTimed === true ? this.#clients.map(() => []) : null;
    await this.#ended();
    const operations = this.#received;
    this.#received = this.#ends = 0;
    return { operations, elapsedMs: this.#endMs - beganMs, figures: { endMs: this.#endMs } };
  }

  close(): void {
    for (const client of this.#clients) client.disconnect();
  }

  async #ended(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${this.#ends} of ${this.#endsOfRound} ends arrived`));
      }, ROUND_MS);
      this.#onEnd = () => {
        if (this.#ends === this.#endsOfRound) resolve();
      };
      this.#onEnd();
    });
    clearTimeout(timer);
    this.#onEnd = () => undefined;
  }

  #percentiles(startMs: number, intervalMs: number): RoundFigures {
    const arrivals = this.#arrivalsMs ?? [];
    const operations = arrivals.reduce((sum, { length }) => sum + length, 0);
    const recorder = new LatencyRecorder(operations, intervalMs);
    for (const list of arrivals) for (const [number, ms] of list.entries()) recorder.arrived(number, ms - startMs);
    return { operations, elapsedMs: 0, figures: recorder.percentiles() };
  }
}
