/**
 * A Redis Cluster: a lane to each master, sharded channels, and a new look at who has which slot whenever something points
 * elsewhere, and regularly.
 */
import type { ClusterTopology } from '../connection/cluster-topology.js';
import { slotOf } from '../connection/hash-slot.js';
import { textOf } from '../connection/deferred.js';
import { redisScript } from '../connection/redis-script.js';
import { type EnvelopeWriter, RedisLane, type Way } from './redis-lane.js';
import type { RelayWays, RelayWaysEvents } from './relay-ways.js';
import { ShardInterests } from './shard-interests.js';
import type { ShardNames } from './shard-names.js';
import type { WaysPorts } from './single-ways.js';

/** One envelope to all channels where it may be wanted: its octets go to Redis once. */
const PUBLISH = redisScript(`for k = 1, #KEYS do redis.call('SPUBLISH', KEYS[k], ARGV[1]) end return 0`);

export interface ClusterWaysPorts extends Pick<WaysPorts, 'clients' | 'clock' | 'soon'> {
  readonly topology: ClusterTopology;
  readonly names: ShardNames;
  /** How often the cluster is looked at. */
  readonly lookIntervalMs: number;
}

export class ClusterWays implements RelayWays {
  readonly #ports: ClusterWaysPorts;
  readonly #lanes = new Map<string, RedisLane>();
  readonly #interests: ShardInterests;
  /** Masters whose first attempt is not over. */
  readonly #untried = new Set<string>();
  #events: RelayWaysEvents | null = null;
  #stopLooking: (() => void) | null = null;
  #stopListening: (() => void) | null = null;
  #onFirst: (() => void) | null = null;

  constructor(ports: ClusterWaysPorts) {
    this.#ports = ports;
    this.#interests = new ShardInterests({
      names: ports.names,
      setOf: (slot) => this.#laneAt(slot)?.channels ?? null,
    });
  }

  async start(events: RelayWaysEvents): Promise<void> {
    const { clients, topology, clock, lookIntervalMs } = this.#ports;
    this.#events = events;
    await clients.load();
    this.#stopListening = topology.onChange(() => {
      this.#take();
    });
    this.#stopLooking = clock.every(lookIntervalMs, () => {
      this.#look();
    });
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    // Another part of this node may have asked already.
    if (topology.masters.size > 0) this.#take();
    this.#look();
    await first;
  }

  laneOf(destination: string): RedisLane | null {
    const lane = this.#laneAt(slotOf(this.#ports.names.channelOf(destination)));
    return lane?.canSend === true ? lane : null;
  }

  /** Nobody knows: the subscribers of one master are not all. */
  isWanted(): boolean {
    return true;
  }

  join(destination: string): Promise<void> | undefined {
    return this.#interests.join(destination);
  }

  leave(destination: string): void {
    this.#interests.leave(destination);
  }

  async stop(): Promise<void> {
    this.#events = null;
    this.#stopLooking?.();
    this.#stopListening?.();
    for (const lane of this.#lanes.values()) lane.stop();
    this.#lanes.clear();
    this.#interests.move();
    this.#onFirst?.();
    await Promise.resolve();
  }

  #laneAt(slot: number): RedisLane | undefined {
    return this.#lanes.get(this.#ports.topology.ownerOf(slot) ?? '');
  }

  #look(): void {
    this.#ports.topology.refresh().catch((error: unknown) => {
      // Where lanes are, they tell what is wrong.
      if (this.#lanes.size > 0) return;
      this.#onFirst?.();
      this.#events?.onDown('subscribe', textOf(error), false);
    });
  }

  /** One lane for each master that has slots; channels go where their slot is. */
  #take(): void {
    const { masters } = this.#ports.topology;
    const gone = [...this.#lanes].filter(([name]) => !masters.has(name));
    for (const [name] of gone) this.#lanes.delete(name);
    for (const name of masters.keys()) if (!this.#lanes.has(name)) this.#open(name);
    const hasMoved = this.#interests.move();
    for (const [name, lane] of gone) {
      lane.stop();
      this.#untried.delete(name);
    }
    if (hasMoved) this.#events?.onDown('subscribe', 'slots have moved to another master', true);
    this.#tellUp();
  }

  #open(name: string): void {
    const { topology, clients, soon } = this.#ports;
    const where = async () => {
      await topology.refresh();
      const address = topology.masters.get(name);
      if (address === undefined) throw new Error(`${name} is no master of the cluster`);
      return address;
    };
    const lane = new RedisLane({ clients, soon, where }, this.#write, {
      onEnvelope: (octets) => {
        this.#events?.onEnvelope(octets, lane);
      },
      onUp: () => {
        this.#untried.delete(name);
        this.#tellUp();
      },
      onDown: (way: Way, why: string, isGap: boolean) => {
        this.#untried.delete(name);
        if (this.#lanes.get(name) === lane) this.#events?.onDown(way, `${name}: ${why}`, isGap);
        if (this.#untried.size === 0) this.#onFirst?.();
      },
      onRefused: (why) => {
        if (/^(MOVED|ASK|CLUSTERDOWN|READONLY)/.test(why)) this.#look();
      },
    });
    this.#lanes.set(name, lane);
    this.#untried.add(name);
    lane.start();
  }

  /** By digest once the connection has shown it. */
  readonly #write: EnvelopeWriter = (pipeline, { destination, octets }, lane) => {
    const channels = this.#ports.names.channelsOf(destination);
    if (lane.shown.has(PUBLISH.sha)) pipeline.evalsha(PUBLISH.sha, channels.length, ...channels, octets);
    else pipeline.eval(PUBLISH.lua, channels.length, ...channels, octets);
    lane.shown.add(PUBLISH.sha);
  };

  #tellUp(): void {
    if (this.#lanes.size === 0 || ![...this.#lanes.values()].every(({ isUp }) => isUp)) return;
    this.#onFirst?.();
    this.#events?.onUp();
  }
}
