/**
 * The connection on which this node runs scripts and commands, shared by all that keeps something in Redis. Nothing waits
 * for a connection and nothing is sent twice: who asks learns whether Redis did it, did not, or perhaps did.
 */
import type { Redis } from 'ioredis';
import { BrokerError } from '../../../broker/errors.js';
import type { Clock, Logger } from '../../../broker/ports.js';
import { createDeferred, type Deferred, textOf } from './deferred.js';
import type { RedisClients } from './redis-clients.js';
import type { RedisConnection } from './redis-connection.js';
import type { RedisScript } from './redis-script.js';

export type RedisArgument = string | Buffer | number;

/** @param why one line, when it is down */
export type RedisCommandsListener = (isUp: boolean, why: string) => void;

export interface RedisCommandsOptions {
  /** Octets of commands on their way, above which more are refused. */
  readonly maxPendingBytes: number;
}

export interface RedisCommandsPorts {
  readonly clients: RedisClients;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** First words of replies that mean: nothing was done, and another server is to be asked, or this one later. */
const ASK_AGAIN = new Set(['READONLY', 'MOVED', 'ASK', 'CLUSTERDOWN', 'MASTERDOWN', 'LOADING', 'TRYAGAIN']);
/** Nothing was done, and the server is the right one. */
const NOT_NOW = new Set(['BUSY', 'NOREPLICAS']);
/** Of `maxPendingBytes`. */
const ROOM_PART = 1 / 2;
/** What a command costs beside its arguments, about. */
const COMMAND_OVERHEAD_BYTES = 64;

export class RedisCommands {
  readonly #options: RedisCommandsOptions;
  readonly #ports: RedisCommandsPorts;
  readonly #listeners = new Set<RedisCommandsListener>();
  /** What this connection has been shown. */
  readonly #scripts = new Set<RedisScript>();
  #users = 0;
  #starting: Promise<void> | null = null;
  #connection: RedisConnection | null = null;
  #onFirst: (() => void) | null = null;
  #wasUp: boolean | null = null;
  #why = 'the node has not started';
  #pending = 0;
  #pendingBytes = 0;
  #idle: Deferred | null = null;
  #relief: Deferred | null = null;
  #isCorked = false;

  constructor(options: RedisCommandsOptions, ports: RedisCommandsPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Whether what is asked now is sent. */
  get isUp(): boolean {
    return this.#users > 0 && this.#client !== null;
  }

  /** One line: why it is not up. */
  get why(): string {
    return this.#why;
  }

  /**
   * Begins to connect; resolves after the first attempt, whether it succeeded or not. Who shares it calls it once each, and
   * `stop` as often: the last one ends the connection.
   */
  async start(): Promise<void> {
    this.#users++;
    await (this.#starting ??= this.#begin());
  }

  /** Whether less than half of what may be on its way is: who could ask for much waits until it is so. */
  get hasRoom(): boolean {
    return this.#pendingBytes < this.#options.maxPendingBytes * ROOM_PART;
  }

  /** Resolves once there is room, if only as the connection is lost. Never rejects. */
  room(): Promise<void> {
    return this.hasRoom ? Promise.resolve() : (this.#relief ??= createDeferred()).promise;
  }

  /** Called at each change from now on, before commands that others ask because of it. @returns takes the listener away */
  onChange(listener: RedisCommandsListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Runs a script, after all that was asked before. The exception: where somebody made Redis forget its scripts, those asked
   * at that moment may run behind later ones.
   * @param keys all that it touches, made by RedisKeys
   * @param isVital small, and never refused for what is on its way: a lease that is not renewed is lost
   * @returns the reply: Buffers, numbers, null and arrays of them. Rejects with BrokerError `relay-unavailable` (not run),
   * `relay-lost` (it may have been run or not), or with the ReplyError that the script made
   */
  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    isVital = false,
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    if (!this.#scripts.has(script)) return this.#load(script, rest, isVital);
    try {
      return await this.#send('EVALSHA', [script.sha, ...rest], isVital);
    } catch (error) {
      if (firstWord(error) !== 'NOSCRIPT') throw error;
      return this.#load(script, rest, isVital);
    }
  }

  /** As `run`, for a single command, e.g. `command('ZRANGE', keys.of('nodes'), 0, -1)`. */
  command(name: string, ...args: readonly RedisArgument[]): Promise<unknown> {
    return this.#send(name, args);
  }

  /**
   * Waits until so many replicas have what was asked before; what is asked behind it waits too.
   * @returns how many have it, which may be fewer when the time is over. Rejects as `run`
   */
  async waitReplicas(count: number, timeoutMs: number): Promise<number> {
    // What it is about is on its way, and must not be said to have failed.
    return Number(await this.#send('WAIT', [count, timeoutMs], true));
  }

  /** By the last one: what was asked is still answered, what is asked from now on is refused. */
  async stop(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return;
    // A Redis that does not answer any more loses its connection by the sign of life that is missing.
    if (this.#pending > 0) await (this.#idle ??= createDeferred()).promise;
    if (this.#users > 0) return;
    this.#connection?.stop();
    this.#connection = this.#starting = this.#wasUp = null;
    this.#scripts.clear();
    this.#onFirst?.();
  }

  /** Whole text: known by its digest from then on, and in order, as a digest that Redis does not know is not. */
  async #load(script: RedisScript, rest: readonly RedisArgument[], isVital: boolean): Promise<unknown> {
    const reply = this.#send('EVAL', [script.lua, ...rest], isVital);
    if (this.isUp) this.#scripts.add(script);
    return reply;
  }

  async #send(name: string, args: readonly RedisArgument[], isVital = false): Promise<unknown> {
    const client = this.#clientFor(name, isVital);
    const bytes = bytesOf(args);
    this.#pending++;
    this.#pendingBytes += bytes;
    try {
      this.#cork(client);
      return await client.callBuffer(name, args as RedisArgument[]);
    } catch (error) {
      throw this.#faultOf(error, name);
    } finally {
      this.#pendingBytes -= bytes;
      if (this.#relief !== null && this.hasRoom) {
        this.#relief.resolve();
        this.#relief = null;
      }
      if (--this.#pending === 0) {
        this.#idle?.resolve();
        this.#idle = null;
      }
    }
  }

  get #client(): Redis | null {
    return this.#connection?.client ?? null;
  }

  #clientFor(name: string, isVital: boolean): Redis {
    const client = this.#client;
    if (client === null) throw notSent(name, this.#why);
    if (this.#users === 0) throw notSent(name, 'the node stops');
    if (isVital || this.#pendingBytes < this.#options.maxPendingBytes) return client;
    throw notSent(name, `${this.#pendingBytes} octets are on their way to Redis`);
  }

  /** What is asked in one turn of the event loop leaves as one write. */
  #cork(client: Redis): void {
    if (this.#isCorked) return;
    const { stream } = client as unknown as { readonly stream: { cork(): void; uncork(): void } };
    this.#isCorked = true;
    stream.cork();
    this.#ports.clock.soon(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  #faultOf(error: unknown, name: string): unknown {
    const word = firstWord(error);
    if (word !== null) {
      if (ASK_AGAIN.has(word)) this.#connection?.drop(error as Error);
      return ASK_AGAIN.has(word) || NOT_NOW.has(word) ? notSent(name, textOf(error)) : error;
    }
    // The package's words for a socket that had ended before it was written to.
    if (/^Stream isn't writeable/.test(textOf(error))) return notSent(name, 'the connection is gone');
    return new BrokerError('relay-lost', `Redis may have done it or not: ${name}: ${textOf(error)}`, { cause: error });
  }

  async #begin(): Promise<void> {
    const { clients } = this.#ports;
    await clients.load();
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    this.#connection = clients.connection('hoofbeat-commands', {
      onUp: () => {
        this.#scripts.clear();
        this.#tell(true, '');
      },
      onDown: (why) => {
        this.#tell(false, `Redis: ${why}`);
      },
    });
    this.#connection.connect();
    await first;
  }

  #tell(isUp: boolean, why: string): void {
    this.#why = why;
    this.#onFirst?.();
    this.#onFirst = null;
    if (this.#wasUp === isUp) return;
    this.#wasUp = isUp;
    const { logger } = this.#ports;
    if (isUp) logger.info({}, 'what nodes share in Redis can be reached');
    else logger.warn({}, `what nodes share in Redis cannot be reached: ${why}`);
    for (const listener of [...this.#listeners]) listener(isUp, why);
  }
}

function notSent(name: string, why: string): BrokerError {
  return new BrokerError('relay-unavailable', `Redis was not asked: ${name}: ${why}`);
}

/** Of what Redis itself answered; null for another kind of error. */
function firstWord(error: unknown): string | null {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return null;
  return error.message.split(' ', 1)[0] ?? null;
}

function bytesOf(args: readonly RedisArgument[]): number {
  let bytes = COMMAND_OVERHEAD_BYTES;
  for (const arg of args) bytes += typeof arg === 'number' ? 8 : arg.length;
  return bytes;
}
