/** The practical limit: a process that publishes, Redis, and processes that receive, with ioredis and nothing else. */
import { LoadProcess, type LoadRound } from '../load/load-process.js';
import type { LoadSettings } from '../load/load-task.js';
import type { Sample } from '../report/results.js';
import { type RedisServer, startRedis } from '../servers/redis-server.js';
import { CrossBed } from './cross-bed.js';
import { crossSample } from './cross-sample.js';

export class BareBed extends CrossBed {
  readonly #publisher = LoadProcess.start();
  readonly #receivers: readonly LoadProcess[];
  #isOpen = false;
  #subscribers = 0;

  private constructor(roundMs: number, redis: RedisServer, receivers: number) {
    super({ name: 'limit: ioredis', roundMs, redis });
    this.#receivers = Array.from({ length: receivers }, () => LoadProcess.start());
  }

  /** @param receivers processes that subscribe */
  static async start(roundMs: number, receivers: number): Promise<BareBed> {
    return new BareBed(roundMs, await startRedis(), receivers);
  }

  async stop(): Promise<void> {
    for (const process of [this.#publisher, ...this.#receivers]) await process.stop();
    await this.redis.stop();
  }

  protected async connect({ topics = 1, subscribers = 1 }: LoadSettings): Promise<void> {
    const all = [this.#publisher, ...this.#receivers];
    if (this.#isOpen) for (const process of all) await process.close();
    this.#isOpen = true;
    this.#subscribers = Number(subscribers);
    const target = { protocol: 'stomp-tcp', port: this.redis.port, path: '', hasReceipts: true } as const;
    const each = Number(subscribers) / this.#receivers.length;
    if (!Number.isInteger(each)) throw new Error(`${subscribers} subscribers at ${this.#receivers.length} processes`);
    for (const receiver of this.#receivers)
      await receiver.open('redis-subscribe', target, { topics, subscribers: each });
    await this.#publisher.open('redis-publish', target, { topics });
  }

  protected async measure(settings: LoadSettings): Promise<Sample> {
    const isTimed = 'messagesPerSecond' in settings;
    const redisBefore = await this.redis.cpuMicros();
    const receiving = Promise.all(this.#receivers.map((receiver) => receiver.round({ isTimed })));
    // When publishing fails, nobody waits for them any more.
    receiving.catch(() => undefined);
    const published = await this.#publisher.round(settings);
    const received = await receiving;
    const redis = (await this.redis.cpuMicros()) - redisBefore;
    const operations = received.reduce((sum, round) => sum + round.operations, 0);
    if (operations !== published.operations * this.#subscribers) {
      throw new Error(`${operations} deliveries of ${published.operations} messages to ${this.#subscribers}`);
    }
    const startMs = published.figures?.['startMs'] ?? NaN;
    const endMs = Math.max(...received.map(({ figures }) => figures?.['endMs'] ?? NaN));
    const sample = crossSample(operations, endMs - startMs, {
      publishing: published.loadCpuMicros,
      redis,
      receiving: received.map(({ loadCpuMicros }) => loadCpuMicros),
      load: 0,
    });
    return isTimed ? { ...sample, ...(await this.#latencies(settings, startMs)) } : sample;
  }

  async #latencies({ messagesPerSecond = 1 }: LoadSettings, startMs: number): Promise<Sample> {
    const rounds: LoadRound[] = [];
    for (const receiver of this.#receivers) rounds.push(await receiver.round({ startMs, messagesPerSecond }));
    // Those of one receiver stand for all: there is one where latencies are asked for.
    return rounds[0]?.figures ?? {};
  }
}
