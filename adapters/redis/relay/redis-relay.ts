/**
 * The relay between nodes over Redis Pub/Sub: one connection to publish, one to subscribe. What each node wants is said by
 * channel; what is lost with a connection is counted, never kept.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type {
  Clock,
  Logger,
  NodeRelay,
  NodeRelayCounts,
  NodeRelayEvents,
  RelayProblem,
} from '../../../broker/ports.js';
import { ChannelInterests } from './channel-interests.js';
import { ChannelNames } from './channel-names.js';
import { textOf } from '../connection/deferred.js';
import { EnvelopePublisher } from './envelope-publisher.js';
import { decodeEnvelope, isEnvelopeOf, NODE_TAG_BYTES } from './node-envelope.js';
import type { RedisClients } from '../connection/redis-clients.js';
import type { RedisConnection } from '../connection/redis-connection.js';

export interface RedisRelayOptions {
  /** In front of every channel. The same on all nodes of a cluster. */
  readonly keyPrefix: string;
  /** Of destinations. */
  readonly separator: string;
  /** Octets on their way to Redis, above which messages are dropped and counted. */
  readonly maxPendingBytes: number;
}

export interface RedisRelayPorts {
  readonly clients: RedisClients;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The two ways, by what is said of them in the log. */
type Way = 'publish' | 'subscribe';

export class RedisRelay implements NodeRelay {
  readonly name = 'redis';
  readonly #ports: RedisRelayPorts;
  /** Of this run: what comes back with it is this node's own. */
  readonly #node = randomBytes(NODE_TAG_BYTES);
  readonly #interests: ChannelInterests;
  readonly #publisher: EnvelopePublisher;
  readonly #connections = new Map<Way, RedisConnection>();
  readonly #down = new Set<Way>(['publish', 'subscribe']);
  #events: NodeRelayEvents | null = null;
  #problem: RelayProblem | null = null;
  /** Null: told nothing yet. */
  #wasAvailable: boolean | null = null;
  #droppedBefore = 0;
  #received = 0;
  #unreadable = 0;
  #gaps = 0;
  /** Of the last envelope: Redis sends one for the channel and one for each glob, one behind the other. */
  #lastNode = Buffer.alloc(NODE_TAG_BYTES);
  #lastNumber = -1;
  #onFirst: (() => void) | null = null;

  constructor(options: RedisRelayOptions, ports: RedisRelayPorts) {
    this.#ports = ports;
    const names = new ChannelNames(options.keyPrefix, options.separator);
    const soon = (task: () => void): void => {
      ports.clock.soon(task);
    };
    this.#interests = new ChannelInterests(names, soon);
    this.#publisher = new EnvelopePublisher({
      node: this.#node,
      names,
      soon,
      maxPendingBytes: options.maxPendingBytes,
    });
  }

  get problem(): RelayProblem | null {
    return this.#problem;
  }

  get counts(): NodeRelayCounts {
    const { published, dropped } = this.#publisher;
    return { published, received: this.#received, dropped, gaps: this.#gaps };
  }

  get isAccepting(): boolean {
    return this.#problem === null && this.#publisher.isAccepting;
  }

  async start(events: NodeRelayEvents): Promise<void> {
    this.#events = events;
    this.#wasAvailable = null;
    await this.#ports.clients.load();
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    this.#connect('publish', (client) => {
      this.#publisher.client = client;
      return Promise.resolve();
    });
    this.#connect('subscribe', (client) => {
      client.on('messageBuffer', (_channel: Buffer, octets: Buffer) => {
        this.#receive(octets);
      });
      client.on('pmessageBuffer', (_glob: Buffer, _channel: Buffer, octets: Buffer) => {
        this.#receive(octets);
      });
      return this.#interests.connected(client);
    });
    await first;
  }

  publish(destination: string, octets: Buffer): void {
    this.#publisher.publish(destination, octets);
  }

  accepted(): Promise<void> {
    return this.#publisher.accepted();
  }

  join(destination: string): Promise<void> | undefined {
    return this.#interests.join(destination);
  }

  leave(destination: string): void {
    this.#interests.leave(destination);
  }

  async stop(): Promise<void> {
    // A Redis that does not answer any more loses its connection by the sign of life that is missing.
    await this.#publisher.settled();
    this.#events = null;
    for (const connection of this.#connections.values()) connection.stop();
    this.#connections.clear();
    this.#publisher.client = null;
    this.#interests.disconnected();
    this.#down.add('publish').add('subscribe');
    this.#problem = null;
    this.#onFirst?.();
  }

  #connect(way: Way, onUp: (client: Redis) => Promise<void>): void {
    const connection: RedisConnection = this.#ports.clients.connection(`hoofbeat-${way}`, {
      onUp: (client) => {
        onUp(client).then(
          () => {
            if (connection.client === client) this.#isUp(way);
          },
          (error: unknown) => {
            if (connection.client === client) connection.drop(new Error(textOf(error)));
          },
        );
      },
      onDown: (why) => {
        this.#isDown(way, why);
      },
    });
    this.#connections.set(way, connection);
    connection.connect();
  }

  #isUp(way: Way): void {
    this.#down.delete(way);
    if (this.#down.size > 0) return;
    this.#problem = null;
    const { dropped } = this.#publisher;
    this.#ports.logger.info({ dropped: dropped - this.#droppedBefore }, 'other nodes can be reached over Redis');
    this.#droppedBefore = dropped;
    this.#tell(true);
  }

  #isDown(way: Way, why: string): void {
    const wasUp = !this.#down.has(way);
    this.#down.add(way);
    if (way === 'publish') this.#publisher.client = null;
    else {
      this.#interests.disconnected();
      if (wasUp && !this.#interests.isEmpty) this.#gaps++;
    }
    const message = `Redis: ${why}`;
    const { clock, logger } = this.#ports;
    if (this.#problem === null) {
      logger.warn({ way, gaps: this.#gaps }, `other nodes cannot be reached: ${message}`);
      this.#problem = { message, sinceEpochMs: clock.epochMs() };
    } else this.#problem = { ...this.#problem, message };
    this.#tell(false);
  }

  #tell(isAvailable: boolean): void {
    this.#onFirst?.();
    this.#onFirst = null;
    if (this.#wasAvailable === isAvailable) return;
    this.#wasAvailable = isAvailable;
    this.#events?.onAvailable(isAvailable);
  }

  #receive(octets: Buffer): void {
    if (isEnvelopeOf(octets, this.#node) || this.#events === null) return;
    try {
      const { node, number, destination, messages } = decodeEnvelope(octets);
      if (number === this.#lastNumber && node.equals(this.#lastNode)) return;
      this.#lastNumber = number;
      node.copy(this.#lastNode);
      this.#received += messages.length;
      for (const message of messages) this.#events.onMessage(destination, message);
    } catch (error) {
      // Once: a node of another version may send any number.
      if (this.#unreadable++ === 0) {
        this.#ports.logger.error({ err: error }, 'what another node sends cannot be read, and is left out');
      }
    }
  }
}
