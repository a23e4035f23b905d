/** What other nodes have this one told, over Pub/Sub: something waits in a queue, something was announced. */
import type { Redis } from 'ioredis';
import type { Clock, Logger, SharedStoreEvents } from '../../../broker/ports.js';
import type { RedisClients } from '../connection/redis-clients.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisConnection } from '../connection/redis-connection.js';
import type { RedisKeys } from '../connection/redis-keys.js';

export interface StoreNoticesPorts {
  readonly commands: RedisCommands;
  readonly clients: RedisClients;
  readonly keys: RedisKeys;
  readonly clock: Pick<Clock, 'epochMs'>;
  readonly logger: Logger;
}

export class StoreNotices {
  readonly #ports: StoreNoticesPorts;
  readonly #announced: string;
  #events: SharedStoreEvents | null = null;
  #connection: RedisConnection | null = null;
  #stopListening: (() => void) | null = null;
  /** The channel of this node's own notices; empty until it has asked for something. */
  #own = '';

  constructor(ports: StoreNoticesPorts) {
    this.#ports = ports;
    this.#announced = ports.keys.of('announced');
  }

  listen(events: SharedStoreEvents): void {
    this.#events = events;
  }

  /** Resolves after the first attempt, whether it succeeded or not. Nobody to tell: nothing is heard. */
  async start(): Promise<void> {
    if (this.#events === null) return;
    const { clients, commands } = this.#ports;
    await clients.load();
    await new Promise<void>((resolve) => {
      this.#connection = clients.connection('hoofbeat-notices', {
        onUp: (client) => {
          void this.#subscribe(client).then(resolve);
        },
        onDown: () => {
          resolve();
        },
      });
      this.#connection.connect();
    });
    this.#stopListening = commands.onChange((isUp) => {
      if (isUp) this.#reached();
    });
  }

  /** From now on this node asks under this name: it is to be told under it too. */
  hearAs(incarnation: string): void {
    const channel = this.#ports.keys.of(`wake:${incarnation}`);
    if (channel === this.#own) return;
    this.#own = channel;
    const client = this.#connection?.client ?? null;
    if (client !== null) void this.#subscribe(client);
  }

  stop(): void {
    this.#events = null;
    this.#stopListening?.();
    this.#connection?.stop();
    this.#connection = null;
  }

  async #subscribe(client: Redis): Promise<void> {
    client.removeAllListeners('message');
    client.on('message', (channel: string, text: string) => {
      if (channel === this.#announced) this.#events?.onAnnounced(text);
      else if (channel === this.#own) this.#events?.onWake(text);
    });
    try {
      await client.subscribe(...[this.#announced, this.#own].filter((channel) => channel !== ''));
      this.#reached();
    } catch (error) {
      // Lost, or not allowed: then the log says so with each attempt.
      if (this.#connection?.client !== client) return;
      this.#ports.logger.warn({ err: error }, 'Redis refuses to tell what other nodes do');
      this.#connection.drop(error as Error);
    }
  }

  /** What was told before is not known: whoever waits has to look. */
  #reached(): void {
    if (this.#connection?.client == null || !this.#ports.commands.isUp) return;
    this.#events?.onReachable();
  }
}
