/**
 * What nodes tell each other beside topics: one connection that listens, shared by all parts of a node that keep something
 * in Redis. Pub/Sub keeps nothing: after each loss who listens has to look at what it was to be told of.
 */
import type { Clock, Logger } from '../../../broker/ports.js';
import { type Channel, ChannelSet } from './channel-set.js';
import { textOf } from './deferred.js';
import type { RedisClients } from './redis-clients.js';
import type { RedisConnection } from './redis-connection.js';
import type { RedisKeys } from './redis-keys.js';

/** @param octets as published; may be a view of what they arrived in */
export type SignalListener = (octets: Buffer) => void;

export interface Listening {
  /** Undefined: in force already, or nobody can be asked. Rejects with BrokerError `relay-refused`. */
  readonly inForce: Promise<void> | undefined;
  stop(): void;
}

export interface RedisSignalsPorts {
  readonly clients: RedisClients;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Heard {
  readonly channel: Channel;
  readonly listeners: Set<SignalListener>;
}

export class RedisSignals {
  readonly #ports: RedisSignalsPorts;
  readonly #channels: ChannelSet;
  readonly #heard = new Map<string, Heard>();
  readonly #watchers = new Set<(isUp: boolean) => void>();
  #users = 0;
  #starting: Promise<void> | null = null;
  #connection: RedisConnection | null = null;
  #onFirst: (() => void) | null = null;
  #isUp = false;

  constructor(ports: RedisSignalsPorts) {
    this.#ports = ports;
    this.#channels = new ChannelSet((task) => {
      ports.clock.soon(task);
    });
  }

  /** Everything listened to is in force. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** What publishes to these channels, in scripts and as a command: it is not the same in a Redis Cluster. */
  get publishCommand(): 'PUBLISH' | 'SPUBLISH' {
    return this.#ports.clients.isCluster ? 'SPUBLISH' : 'PUBLISH';
  }

  /** As RedisCommands.start: after the first attempt, once for each part that shares it. */
  async start(): Promise<void> {
    this.#users++;
    await (this.#starting ??= this.#begin());
  }

  /**
   * Called at each change from now on. With true everything listened to is in force, and anything may have been missed since
   * it was false. @returns takes the listener away
   */
  onChange(watcher: (isUp: boolean) => void): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /**
   * Hears what is published to `keys.of(name)` by `publishCommand`, in the order Redis got it, this node's own included.
   * Wanted for as long as it is not stopped, also while there is no connection.
   */
  listen(name: string, listener: SignalListener): Listening {
    const key = this.#ports.keys.of(name);
    const channel = this.#channels.claim(this.#ports.clients.isCluster ? 'sharded' : 'exact', key);
    const heard: Heard = this.#heard.get(key) ?? { channel, listeners: new Set() };
    this.#heard.set(key, heard);
    // Each call is heard for itself, also with a listener that listens already.
    const own: SignalListener = (octets) => {
      listener(octets);
    };
    heard.listeners.add(own);
    return {
      inForce: this.#channels.inForce(channel),
      stop: () => {
        if (!heard.listeners.delete(own)) return;
        if (heard.listeners.size === 0) this.#heard.delete(key);
        this.#channels.release(channel);
      },
    };
  }

  /** By the last of those that share it. */
  async stop(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return;
    this.#connection?.stop();
    this.#connection = this.#starting = null;
    this.#isUp = false;
    this.#channels.disconnected();
    this.#onFirst?.();
    return Promise.resolve();
  }

  async #begin(): Promise<void> {
    const { clients } = this.#ports;
    await clients.load();
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    const connection: RedisConnection = clients.connection('hoofbeat-signals', {
      onUp: (client) => {
        const hear = (channel: Buffer, octets: Buffer): void => {
          this.#hear(channel, octets);
        };
        client.on('messageBuffer', hear);
        client.on('smessageBuffer', hear);
        this.#channels.connected(client).then(
          () => {
            if (connection.client === client) this.#tell(true);
          },
          (error: unknown) => {
            if (connection.client === client) connection.drop(new Error(textOf(error)));
          },
        );
      },
      onDown: () => {
        this.#channels.disconnected();
        this.#tell(false);
      },
    });
    this.#connection = connection;
    connection.connect();
    await first;
  }

  #hear(channel: Buffer, octets: Buffer): void {
    for (const listener of this.#heard.get(channel.toString())?.listeners ?? []) {
      try {
        listener(octets);
      } catch (error) {
        this.#ports.logger.error({ err: error, channel: channel.toString() }, 'what another node tells cannot be used');
      }
    }
  }

  #tell(isUp: boolean): void {
    this.#onFirst?.();
    this.#onFirst = null;
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    for (const watcher of [...this.#watchers]) watcher(isUp);
  }
}
