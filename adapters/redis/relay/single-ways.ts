/** One Redis server, or the master of several that Sentinels watch: a channel for each destination, globs for patterns. */
import type { Clock, Logger } from '../../../broker/ports.js';
import type { RedisClients } from '../connection/redis-clients.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { RedisSignals } from '../connection/redis-signals.js';
import { ChannelInterests } from './channel-interests.js';
import type { ChannelNames } from './channel-names.js';
import { encodeEnvelope } from './node-envelope.js';
import { QuietChannels } from './quiet-channels.js';
import { RedisLane } from './redis-lane.js';
import type { RelayWays, RelayWaysEvents } from './relay-ways.js';

export interface WaysPorts {
  readonly clients: RedisClients;
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tag of this node's run. */
  readonly node: Buffer;
  readonly names: ChannelNames;
  /** Runs a task once what arrived in this turn was read. */
  readonly soon: (task: () => void) => void;
}

export class SingleWays implements RelayWays {
  readonly #ports: WaysPorts;
  readonly #lane: RedisLane;
  readonly #interests: ChannelInterests;
  readonly #quiet: QuietChannels;
  #events: RelayWaysEvents | null = null;
  #onFirst: (() => void) | null = null;

  constructor(ports: WaysPorts) {
    const { names, node } = ports;
    this.#ports = ports;
    this.#quiet = new QuietChannels({
      ...ports,
      tag: node.toString('hex'),
      ownOf: (channel) => this.#interests.matching(channel),
      matches: (glob, channel) => names.matches(glob, channel),
      probeOf: (destination) => encodeEnvelope({ node, number: 0, destination, messages: [] }),
    });
    this.#lane = new RedisLane(
      {
        ...ports,
        onConfirmed: (channels) => this.#quiet.wakeOthers(channels),
        onTaken: (destination, receivers) => {
          this.#quiet.published(destination, names.channelOf(destination), receivers);
        },
      },
      (pipeline, { destination, octets }) => {
        pipeline.publish(names.channelOf(destination), octets);
      },
      {
        onEnvelope: (octets, lane) => {
          this.#events?.onEnvelope(octets, lane);
        },
        onUp: () => {
          this.#quiet.forget();
          this.#onFirst?.();
          this.#events?.onUp();
        },
        onDown: (way, why, isGap) => {
          this.#quiet.forget();
          this.#onFirst?.();
          this.#events?.onDown(way, why, isGap);
        },
      },
    );
    this.#interests = new ChannelInterests(names, this.#lane.channels);
  }

  async start(events: RelayWaysEvents): Promise<void> {
    this.#events = events;
    const { clients, commands, signals } = this.#ports;
    await clients.load();
    await Promise.all([commands.start(), signals.start()]);
    this.#quiet.start();
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    this.#lane.start();
    await first;
  }

  laneOf(): RedisLane | null {
    return this.#lane.canSend ? this.#lane : null;
  }

  isWanted(destination: string, atMs?: number): boolean {
    return !this.#quiet.isQuiet(destination, atMs);
  }

  join(destination: string): Promise<void> | undefined {
    return this.#interests.join(destination);
  }

  leave(destination: string): void {
    this.#interests.leave(destination);
  }

  async stop(): Promise<void> {
    const { commands, signals } = this.#ports;
    this.#events = null;
    this.#quiet.stop();
    this.#lane.stop();
    this.#onFirst?.();
    await Promise.all([commands.stop(), signals.stop()]);
  }
}
