/**
 * The pair of connections to one server over which topics go: one publishes, one is subscribed, as one that is subscribed
 * cannot publish.
 */
import type { Redis } from 'ioredis';
import { type Channel, ChannelSet } from '../connection/channel-set.js';
import type { RedisAddress } from '../connection/cluster-topology.js';
import { textOf } from '../connection/deferred.js';
import type { RedisClients } from '../connection/redis-clients.js';
import type { RedisConnection } from '../connection/redis-connection.js';
import { NODE_TAG_BYTES } from './node-envelope.js';

/** What logs call the two. */
export type Way = 'publish' | 'subscribe';

export interface LaneEvents {
  /** In the order this server sent them. @param octets may be a view of what they arrived in */
  onEnvelope(octets: Buffer, lane: RedisLane): void;
  /** Both connections take commands, and everything that is wanted is subscribed. */
  onUp(): void;
  /** @param isGap something was subscribed here, and may have been missed from now on */
  onDown(way: Way, why: string, isGap: boolean): void;
  /** Redis did not take an envelope, and the connection is well. */
  onRefused?(why: string): void;
}

export interface LanePorts {
  readonly clients: RedisClients;
  readonly soon: (task: () => void) => void;
  /** As ChannelSet. */
  readonly onConfirmed?: ((channels: readonly Channel[]) => Promise<void>) | undefined;
  /** An envelope has been taken. @param receivers subscriptions that the server has given it to */
  readonly onTaken?: ((destination: string, receivers: number) => void) | undefined;
  /** Of a Redis Cluster: where the lane's server is. */
  readonly where?: (() => Promise<RedisAddress>) | undefined;
}

/** One envelope as it is to be sent. */
export interface OutgoingEnvelope {
  readonly destination: string;
  readonly octets: Buffer;
}

/** Adds an envelope to what is sent at once. */
export type EnvelopeWriter = (
  pipeline: ReturnType<Redis['pipeline']>,
  envelope: OutgoingEnvelope,
  lane: RedisLane,
) => void;

export class RedisLane {
  readonly channels: ChannelSet;
  readonly #ports: LanePorts;
  readonly #write: EnvelopeWriter;
  readonly #events: LaneEvents;
  readonly #down = new Set<Way>(['publish', 'subscribe']);
  #connections: readonly RedisConnection[] = [];
  #publishing: Redis | null = null;
  readonly #lastNode = Buffer.alloc(NODE_TAG_BYTES);
  #lastNumber = -1;
  /** Scripts that the publishing connection has shown to the server. */
  readonly shown = new Set<string>();

  constructor(ports: LanePorts, write: EnvelopeWriter, events: LaneEvents) {
    this.#ports = ports;
    this.#write = write;
    this.#events = events;
    this.channels = new ChannelSet(ports.soon, ports.onConfirmed);
  }

  get isUp(): boolean {
    return this.#down.size === 0;
  }

  /** Whether envelopes can be sent. */
  get canSend(): boolean {
    return this.#publishing !== null;
  }

  /** Begins to connect. `clients` are loaded. */
  start(): void {
    const publish = this.#connect('publish', (client) => {
      this.shown.clear();
      this.#publishing = client;
      return Promise.resolve();
    });
    const subscribe = this.#connect('subscribe', (client) => {
      const hear = (_channel: Buffer, octets: Buffer): void => {
        this.#events.onEnvelope(octets, this);
      };
      client.on('messageBuffer', hear);
      client.on('smessageBuffer', hear);
      client.on('pmessageBuffer', (_glob: Buffer, channel: Buffer, octets: Buffer) => {
        hear(channel, octets);
      });
      return this.channels.connected(client);
    });
    this.#connections = [publish, subscribe];
    for (const connection of this.#connections) connection.connect();
  }

  /** Whether this envelope is the last one again: Redis sends one for each channel and glob that wants it, at once. */
  isRepeated(node: Buffer, number: number): boolean {
    if (number === this.#lastNumber && node.equals(this.#lastNode)) return true;
    this.#lastNumber = number;
    node.copy(this.#lastNode);
    return false;
  }

  /** All of them as one write. @returns null, or why it is not sure that Redis has all of it */
  async send(envelopes: readonly OutgoingEnvelope[]): Promise<string | null> {
    if (this.#publishing === null) return 'the connection is gone';
    try {
      const pipeline = this.#publishing.pipeline();
      for (const envelope of envelopes) this.#write(pipeline, envelope, this);
      const replies = (await pipeline.exec()) ?? [];
      for (const [error] of replies) {
        if (error === null) continue;
        this.#events.onRefused?.(error.message);
        return error.message;
      }
      const { onTaken } = this.#ports;
      if (onTaken !== undefined) {
        for (const [k, { destination }] of envelopes.entries()) onTaken(destination, Number(replies[k]?.[1]));
      }
      return null;
    } catch (error) {
      return textOf(error);
    }
  }

  stop(): void {
    for (const connection of this.#connections) connection.stop();
    this.#connections = [];
    this.#publishing = null;
    this.#down.add('publish').add('subscribe');
    this.channels.disconnected();
  }

  #connect(way: Way, onUp: (client: Redis) => Promise<void>): RedisConnection {
    const { clients, where } = this.#ports;
    const connection: RedisConnection = clients.connection(
      `hoofbeat-${way}`,
      {
        onUp: (client) => {
          onUp(client).then(
            () => {
              if (connection.client === client) this.#isUpAgain(way);
            },
            (error: unknown) => {
              if (connection.client === client) connection.drop(new Error(textOf(error)));
            },
          );
        },
        onDown: (why) => {
          this.#isDown(way, why);
        },
      },
      where,
    );
    return connection;
  }

  #isUpAgain(way: Way): void {
    this.#down.delete(way);
    if (this.isUp) this.#events.onUp();
  }

  #isDown(way: Way, why: string): void {
    const wasUp = !this.#down.has(way);
    this.#down.add(way);
    if (way === 'publish') this.#publishing = null;
    else this.channels.disconnected();
    this.#events.onDown(way, why, way === 'subscribe' && wasUp && !this.channels.isEmpty);
  }
}
