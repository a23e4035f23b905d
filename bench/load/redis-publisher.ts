/**
 * Bare Redis Pub/Sub as one uses it from Node, the publishing end: ioredis with auto-pipelining, bodies as Buffers, so many
 * messages on their way on each channel, so many more in one turn when Redis has answered.
 */
import { Redis } from 'ioredis';
import type { LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { sendPaced } from './paced.js';
import { channelsOf, END_OF_ROUND, monotonicMs } from './redis-channels.js';

export class RedisPublisher implements LoadTask {
  readonly #client: Redis;
  readonly #channels: readonly string[];

  private constructor(client: Redis, channels: readonly string[]) {
    this.#client = client;
    this.#channels = channels;
  }

  /** Settings: `topics`. @param target whose port is that of Redis */
  static async open({ port }: LoadTarget, { topics }: LoadSettings): Promise<RedisPublisher> {
    const client = new Redis({ port, host: '127.0.0.1', enableAutoPipelining: true });
    await client.ping();
    return new RedisPublisher(client, channelsOf(Number(topics)));
  }

  /**
   * Settings: `bodyBytes`, `durationMs`, and `batch` and `window` (messages on their way on each channel), or
   * `messagesPerSecond`. Figures: `startMs`, by `monotonicMs`. Ends with `END_OF_ROUND` on each channel.
   */
  async round(settings: LoadSettings): Promise<RoundFigures> {
    const startMs = monotonicMs();
    const operations = 'messagesPerSecond' in settings ? await this.#paced(settings) : await this.#windowed(settings);
    await Promise.all(this.#channels.map((channel) => this.#client.publish(channel, END_OF_ROUND)));
    return { operations, elapsedMs: monotonicMs() - startMs, figures: { startMs } };
  }

  close(): void {
    this.#client.disconnect();
  }

  async #windowed({ bodyBytes, batch, window, durationMs }: LoadSettings): Promise<number> {
    const body = Buffer.alloc(Number(bodyBytes), 'x');
    const end = performance.now() + Number(durationMs);
    const most = Number(window) - Number(batch);
    let messages = 0;
    const publishOn = (channel: string): Promise<void> =>
      new Promise((resolve, reject) => {
        let inFlight = 0;
        const onReply = (): void => {
          inFlight--;
          if (performance.now() < end) fill();
          else if (inFlight === 0) resolve();
        };
        const fill = (): void => {
          while (inFlight <= most) {
            for (let k = 0; k < Number(batch); k++) this.#client.publish(channel, body).then(onReply, reject);
            inFlight += Number(batch);
            messages += Number(batch);
          }
        };
        fill();
      });
    await Promise.all(this.#channels.map(publishOn));
    return messages;
  }

  async #paced({ bodyBytes, messagesPerSecond, durationMs }: LoadSettings): Promise<number> {
    const body = Buffer.alloc(Number(bodyBytes), 'x');
    const intervalMs = 1000 / Number(messagesPerSecond);
    const messages = Math.max(1, Math.floor(Number(durationMs) / intervalMs));
    const [channel = ''] = this.#channels;
    await new Promise<void>((resolve, reject) => {
      let answered = 0;
      const onReply = (): void => {
        if (++answered === messages) resolve();
      };
      sendPaced(performance.now(), intervalMs, messages, () => {
        this.#client.publish(channel, body).then(onReply, reject);
      });
    });
    return messages;
  }
}
