/** How a relay reaches Redis: the connections it has, and which of them a destination goes over. */
import type { RedisLane, Way } from './redis-lane.js';

export interface RelayWaysEvents {
  onEnvelope(octets: Buffer, lane: RedisLane): void;
  /** All of Redis can be reached, and everything that is wanted is subscribed. Told once for each change. */
  onUp(): void;
  /** Some of it cannot be reached. @param isGap an unknown number of messages is missed */
  onDown(way: Way, why: string, isGap: boolean): void;
}

export interface RelayWays {
  /** Begins to connect; resolves after the first attempts. */
  start(events: RelayWaysEvents): Promise<void>;
  /** Where envelopes of a destination go out; null: that part of Redis cannot be reached. */
  laneOf(destination: string): RedisLane | null;
  /** As `NodeRelay.isWanted`. */
  isWanted(destination: string, atMs?: number): boolean;
  /** As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined;
  leave(destination: string): void;
  stop(): Promise<void>;
}
