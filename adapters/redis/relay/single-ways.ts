/** One Redis server, or the master of several that Sentinels watch: a channel for each destination, globs for patterns. */
import type { RedisClients } from '../connection/redis-clients.js';
import { ChannelInterests } from './channel-interests.js';
import type { ChannelNames } from './channel-names.js';
import { RedisLane } from './redis-lane.js';
import type { RelayWays, RelayWaysEvents } from './relay-ways.js';

export interface WaysPorts {
  readonly clients: RedisClients;
  readonly names: ChannelNames;
  /** Runs a task once what arrived in this turn was read. */
  readonly soon: (task: () => void) => void;
}

export class SingleWays implements RelayWays {
  readonly #ports: WaysPorts;
  readonly #lane: RedisLane;
  readonly #interests: ChannelInterests;
  #events: RelayWaysEvents | null = null;
  #onFirst: (() => void) | null = null;

  constructor(ports: WaysPorts) {
    const { names } = ports;
    this.#ports = ports;
    this.#lane = new RedisLane(
      ports,
      (pipeline, { destination, octets }) => {
        pipeline.publish(names.channelOf(destination), octets);
      },
      {
        onEnvelope: (octets, lane) => {
          this.#events?.onEnvelope(octets, lane);
        },
        onUp: () => {
          this.#onFirst?.();
          this.#events?.onUp();
        },
        onDown: (way, why, isGap) => {
          this.#onFirst?.();
          this.#events?.onDown(way, why, isGap);
        },
      },
    );
    this.#interests = new ChannelInterests(names, this.#lane.channels);
  }

  async start(events: RelayWaysEvents): Promise<void> {
    this.#events = events;
    await this.#ports.clients.load();
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    this.#lane.start();
    await first;
  }

  laneOf(): RedisLane | null {
    return this.#lane.canSend ? this.#lane : null;
  }

  join(destination: string): Promise<void> | undefined {
    return this.#interests.join(destination);
  }

  leave(destination: string): void {
    this.#interests.leave(destination);
  }

  stop(): void {
    this.#events = null;
    this.#lane.stop();
    this.#onFirst?.();
  }
}
