/**
 * Keeps one connection to Redis: after each loss the next attempt, later each time and never in step with others. Each
 * attempt is a client of its own that lives once, so that nothing of a lost connection reaches the next.
 */
import type { Redis, RedisOptions } from 'ioredis';
import type { Clock } from '../../../broker/ports.js';
import { textOf } from './deferred.js';

/** Without what decides the type of every reply. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

export interface RedisReconnectOptions {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** Part of a delay, 0 to 1, that may be left out by chance. */
  readonly jitter: number;
}

export interface RedisConnectionEvents {
  onUp(client: Redis): void;
  /** A connection is over, or an attempt has failed. The next is on its way. @param why one line */
  onDown(why: string): void;
}

export interface RedisConnectionPorts {
  /** Finds out where to connect, and makes a client that does not connect yet. */
  readonly create: (options: ClientOptions) => Promise<Redis>;
  readonly clock: Clock;
  readonly reconnect: RedisReconnectOptions;
  /** Redis is asked for a sign of life that often; one interval without ends the connection. */
  readonly pingIntervalMs: number;
  /** From dialling until commands are taken, greeting and passcode included. */
  readonly connectTimeoutMs: number;
  /** Says from what INFO answers why a server cannot be used now; null: it can. Missing: it is not asked. */
  readonly refuse?: ((info: string) => string | null) | undefined;
  /** Told of this connection from its first attempt until its end, and may drop it. */
  readonly watch?: { add(connection: RedisConnection): void; delete(connection: RedisConnection): void } | undefined;
}

/** What is waited for and tried again is decided here, not by the package. */
export const ONE_LIFE: ClientOptions = {
  lazyConnect: true,
  retryStrategy: () => null,
  enableOfflineQueue: false,
  // The package would wait for up to ten seconds before it asks again, and tell nobody what it waits for.
  enableReadyCheck: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // From saying goodbye until a connection is cut whose other end does not hear it.
  disconnectTimeout: 500,
  // Replies to SUBSCRIBE are told apart from messages by order, as in every version of Redis.
  protocol: 2,
};

export class RedisConnection {
  readonly #options: ClientOptions;
  readonly #events: RedisConnectionEvents;
  readonly #ports: RedisConnectionPorts;
  /** Of the attempt that is under way. */
  #attempt: object | null = null;
  #client: Redis | null = null;
  #isUp = false;
  #failures = 0;
  #lastError: Error | null = null;
  #stopWaiting: (() => void) | null = null;
  #stopPinging: (() => void) | null = null;

  constructor(options: ClientOptions, events: RedisConnectionEvents, ports: RedisConnectionPorts) {
    this.#options = options;
    this.#events = events;
    this.#ports = ports;
  }

  /** Null while there is none. */
  get client(): Redis | null {
    return this.#isUp ? this.#client : null;
  }

  /** Address and port of the server, also while it is being greeted; empty: not known. */
  get remote(): string {
    const { stream } = (this.#client ?? {}) as { readonly stream?: { remoteAddress?: string; remotePort?: number } };
    const address = (stream?.remoteAddress ?? '').replace(/^::ffff:/, '');
    return address === '' ? '' : `${address}:${stream?.remotePort ?? 0}`;
  }

  connect(): void {
    const { create, connectTimeoutMs, watch } = this.#ports;
    watch?.add(this);
    const attempt = (this.#attempt = {});
    this.#lastError = null;
    this.#wait(connectTimeoutMs, () => {
      this.drop(new Error(`not ready within ${connectTimeoutMs} ms`));
    });
    create({ ...this.#options, ...ONE_LIFE, connectTimeout: connectTimeoutMs }).then(
      (client) => {
        if (this.#attempt === attempt) this.#use(client);
      },
      (error: unknown) => {
        if (this.#attempt === attempt) this.drop(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  /** Drops the connection, as if it had been lost. */
  drop(why: Error): void {
    if (this.#attempt === null) return;
    this.#lastError = why;
    const client = this.#client;
    if (client === null) {
      this.#onEnd();
      return;
    }
    muffle(client);
    client.disconnect();
  }

  /** For good. */
  stop(): void {
    const client = this.#client;
    this.#ports.watch?.delete(this);
    this.#client = this.#attempt = null;
    this.#isUp = false;
    this.#stopTimers();
    if (client === null) return;
    muffle(client);
    client.disconnect();
  }

  #use(client: Redis): void {
    this.#client = client;
    client.on('ready', () => {
      void this.#whyNot(client).then((why) => {
        if (this.#client !== client) return;
        if (why === null) this.#onReady(client);
        else this.drop(why);
      });
    });
    client.on('connect', () => {
      muffle(client);
    });
    client.on('error', (error) => {
      muffle(client);
      this.#lastError = error;
    });
    client.on('end', () => {
      if (this.#client === client) this.#onEnd();
    });
    // The slot of a channel in a Redis Cluster has another master now.
    client.on('moved', () => {
      if (this.#client === client) this.drop(new Error('a slot has moved to another master'));
    });
    // What is wrong is told by the events.
    client.connect().catch(() => undefined);
  }

  /** Asked before anything else: a server that loads its data takes connections. */
  async #whyNot(client: Redis): Promise<Error | null> {
    const { refuse } = this.#ports;
    if (refuse === undefined) return null;
    try {
      const why = refuse(await client.info());
      return why === null ? null : new Error(why);
    } catch (error) {
      // Who may not ask finds out by its commands.
      if (/^NOPERM/.test(textOf(error))) return null;
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #onReady(client: Redis): void {
    this.#stopTimers();
    this.#isUp = true;
    this.#failures = 0;
    this.#watch(client);
    this.#events.onUp(client);
  }

  #onEnd(): void {
    this.#isUp = false;
    this.#client = this.#attempt = null;
    this.#stopTimers();
    this.#wait(this.#nextDelayMs(), () => {
      this.connect();
    });
    this.#events.onDown(oneLine(this.#lastError));
  }

  #wait(delayMs: number, task: () => void): void {
    const stop = this.#ports.clock.every(delayMs, () => {
      stop();
      this.#stopWaiting = null;
      task();
    });
    this.#stopWaiting = stop;
  }

  #nextDelayMs(): number {
    const { initialDelayMs, maxDelayMs, jitter } = this.#ports.reconnect;
    const fullMs = Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(this.#failures++, 30));
    return Math.max(1, fullMs * (1 - jitter * Math.random()));
  }

  #watch(client: Redis): void {
    const { clock, pingIntervalMs } = this.#ports;
    let isAnswered = true;
    this.#stopPinging = clock.every(pingIntervalMs, () => {
      if (!isAnswered) {
        this.drop(new Error(`no sign of life within ${pingIntervalMs} ms`));
        return;
      }
      isAnswered = false;
      client.ping().then(
        () => {
          isAnswered = true;
        },
        () => undefined,
      );
    });
  }

  #stopTimers(): void {
    this.#stopPinging?.();
    this.#stopWaiting?.();
    this.#stopPinging = this.#stopWaiting = null;
  }
}

/**
 * The package listens for the first error of a socket alone. TLS has a second one when both sides refuse each other, and an
 * error that nobody hears ends the process.
 */
export function muffle(client: Redis): void {
  const { stream } = client as { readonly stream?: NodeJS.EventEmitter };
  if (stream?.listeners('error').includes(ignore) === false) stream.on('error', ignore);
}

function ignore(): void {
  // The first one has been told.
}

/** An AggregateError of all addresses of a name has no text of its own. */
function oneLine(error: Error | null): string {
  if (error === null) return 'the connection was closed';
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return (first instanceof Error ? first.message : String(first)).split('\n')[0] ?? '';
}
