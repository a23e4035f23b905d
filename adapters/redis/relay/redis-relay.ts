/**
 * The relay between nodes over Redis Pub/Sub: one connection to publish, one to subscribe. What each node wants is said by
 * channel; what is lost with a connection is counted, never kept.
 */
import { randomBytes } from 'node:crypto';
import type {
  Clock,
  Logger,
  NodeRelay,
  NodeRelayCounts,
  NodeRelayEvents,
  RelayProblem,
} from '../../../broker/ports.js';
import { ChannelNames } from './channel-names.js';
import { ClusterWays } from './cluster-ways.js';
import { EnvelopePublisher } from './envelope-publisher.js';
import { decodeEnvelope, isEnvelopeOf, NODE_TAG_BYTES } from './node-envelope.js';
import type { RedisClients } from '../connection/redis-clients.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { RedisSignals } from '../connection/redis-signals.js';
import type { RedisLane, Way } from './redis-lane.js';
import type { RelayWays } from './relay-ways.js';
import { ShardNames } from './shard-names.js';
import { SingleWays } from './single-ways.js';

export interface RedisRelayOptions {
  /** In front of every channel. The same on all nodes of a cluster. */
  readonly keyPrefix: string;
  /** Of destinations. */
  readonly separator: string;
  /** Octets on their way to Redis, above which messages are dropped and counted. */
  readonly maxPendingBytes: number;
  /** How often a Redis Cluster is looked at. */
  readonly pingIntervalMs: number;
}

export interface RedisRelayPorts {
  readonly clients: RedisClients;
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Without a refusal for so long, what Redis takes says that it is over. */
const REFUSAL_MS = 2_000;

export class RedisRelay implements NodeRelay {
  readonly name = 'redis';
  readonly #ports: RedisRelayPorts;
  /** Of this run: what comes back with it is this node's own. */
  readonly #node = randomBytes(NODE_TAG_BYTES);
  readonly #ways: RelayWays;
  readonly #publisher: EnvelopePublisher;
  #events: NodeRelayEvents | null = null;
  #problem: RelayProblem | null = null;
  /** Redis can be reached, and takes nothing. */
  #refusal: RelayProblem | null = null;
  /** By the clock: the last time. */
  #refusedMs = 0;
  /** Null: told nothing yet. */
  #wasAvailable: boolean | null = null;
  #droppedBefore = 0;
  #received = 0;
  #unreadable = 0;
  #gaps = 0;

  constructor(options: RedisRelayOptions, ports: RedisRelayPorts) {
    this.#ports = ports;
    const soon = (task: () => void): void => {
      ports.clock.soon(task);
    };
    this.#ways = waysFor(options, ports, this.#node, soon);
    this.#publisher = new EnvelopePublisher({
      node: this.#node,
      laneOf: (destination) => this.#ways.laneOf(destination),
      soon,
      maxPendingBytes: options.maxPendingBytes,
      onAnswered: (why) => {
        if (why !== null || this.#refusal !== null) this.#onAnswered(why);
      },
    });
  }

  get problem(): RelayProblem | null {
    return this.#problem ?? this.#refusal;
  }

  get counts(): NodeRelayCounts {
    const { published, dropped } = this.#publisher;
    return { published, received: this.#received, dropped, gaps: this.#gaps };
  }

  get isAccepting(): boolean {
    return this.#wasAvailable === true && this.#publisher.isAccepting;
  }

  get isBehind(): boolean {
    return this.#publisher.isBehind;
  }

  caughtUp(): Promise<void> {
    return this.#publisher.caughtUp();
  }

  async start(events: NodeRelayEvents): Promise<void> {
    this.#events = events;
    this.#wasAvailable = null;
    await this.#ways.start({
      onEnvelope: (octets, lane) => {
        this.#receive(octets, lane);
      },
      onUp: () => {
        this.#isUp();
      },
      onDown: (way, why, isGap) => {
        this.#isDown(way, why, isGap);
      },
    });
  }

  isWanted(destination: string, atMs?: number): boolean {
    return this.#ways.isWanted(destination, atMs);
  }

  publish(destination: string, octets: Buffer): void {
    this.#publisher.publish(destination, octets);
  }

  accepted(): Promise<void> {
    return this.#publisher.accepted();
  }

  join(destination: string): Promise<void> | undefined {
    return this.#ways.join(destination);
  }

  leave(destination: string): void {
    this.#ways.leave(destination);
  }

  async stop(): Promise<void> {
    // A Redis that does not answer any more loses its connection by the sign of life that is missing.
    await this.#publisher.settled();
    this.#events = null;
    await this.#ways.stop();
    this.#problem = this.#refusal = this.#wasAvailable = null;
  }

  #isUp(): void {
    this.#problem = null;
    const { dropped } = this.#publisher;
    this.#ports.logger.info({ dropped: dropped - this.#droppedBefore }, 'other nodes can be reached over Redis');
    this.#droppedBefore = dropped;
    this.#tell(true);
  }

  #isDown(way: Way, why: string, isGap: boolean): void {
    if (isGap) this.#gaps++;
    const message = `Redis: ${why}`;
    const { clock, logger } = this.#ports;
    if (this.#problem === null) {
      logger.warn({ way, gaps: this.#gaps }, `other nodes cannot be reached: ${message}`);
      this.#problem = { message, sinceEpochMs: clock.epochMs() };
    } else this.#problem = { ...this.#problem, message };
    this.#tell(false);
  }

  /** Of several channels one may be refused: it is over when for a while none was. */
  #onAnswered(why: string | null): void {
    const { clock, logger } = this.#ports;
    const nowMs = clock.nowMs();
    if (why === null) {
      if (nowMs - this.#refusedMs < REFUSAL_MS) return;
      this.#refusal = null;
      logger.info({}, 'Redis takes messages for other nodes again');
      return;
    }
    this.#refusedMs = nowMs;
    if (this.#refusal === null) logger.warn({ why }, 'Redis refuses messages for other nodes');
    const sinceEpochMs = this.#refusal?.sinceEpochMs ?? clock.epochMs();
    this.#refusal = { message: `Redis refuses messages: ${why}`, sinceEpochMs };
  }

  #tell(isAvailable: boolean): void {
    if (this.#wasAvailable === isAvailable) return;
    this.#wasAvailable = isAvailable;
    this.#events?.onAvailable(isAvailable);
  }

  #receive(octets: Buffer, lane: RedisLane): void {
    if (isEnvelopeOf(octets, this.#node) || this.#events === null) return;
    try {
      const { node, number, destination, messages } = decodeEnvelope(octets);
      // One that asks who is there.
      if (messages.length === 0) return;
      if (lane.isRepeated(node, number)) return;
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

function waysFor(
  { keyPrefix, separator, pingIntervalMs }: RedisRelayOptions,
  ports: RedisRelayPorts,
  node: Buffer,
  soon: (task: () => void) => void,
): RelayWays {
  const { clients, clock } = ports;
  const { topology } = clients;
  if (topology === null) {
    return new SingleWays({ ...ports, names: new ChannelNames(keyPrefix, separator), soon, node });
  }
  const names = new ShardNames({ prefix: keyPrefix, separator });
  return new ClusterWays({ clients, topology, names, soon, clock, lookIntervalMs: pingIntervalMs });
}
