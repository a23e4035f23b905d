/**
 * Which sharded channels this node wants, and of which master: kept here by name, and moved to another lane when their slot
 * has moved.
 */
import { isPattern } from '../../../broker/destinations/pattern.js';
import { type Channel, ChannelSet } from '../connection/channel-set.js';
import { slotOf } from '../connection/hash-slot.js';
import type { ShardNames } from './shard-names.js';

/** Above so many different beginnings of patterns a node takes everything instead of one more. */
const MAX_NARROW = 64;

interface Claimed {
  readonly slot: number;
  count: number;
  set: ChannelSet;
  channel: Channel;
}

export interface ShardInterestsParts {
  readonly names: ShardNames;
  /** What the master of a slot is told; null: nobody is known to have it. */
  readonly setOf: (slot: number) => ChannelSet | null;
}

export class ShardInterests {
  readonly #parts: ShardInterestsParts;
  /** By destination or pattern, as subscribed. */
  readonly #wishes = new Map<string, { readonly names: readonly string[]; count: number }>();
  readonly #claimed = new Map<string, Claimed>();
  /** Channels of patterns, each the first of its 64. */
  readonly #narrow = new Map<string, number>();
  /** Of slots that nobody has: never connected. */
  readonly #nowhere = new ChannelSet(() => undefined);

  constructor(parts: ShardInterestsParts) {
    this.#parts = parts;
  }

  /** As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined {
    let wish = this.#wishes.get(destination);
    if (wish === undefined) {
      wish = { names: this.#namesOf(destination), count: 0 };
      this.#wishes.set(destination, wish);
      for (const name of wish.names) this.#claim(name);
    }
    wish.count++;
    const waiting = wish.names.flatMap((name) => {
      const claimed = this.#claimed.get(name);
      return claimed === undefined ? [] : (claimed.set.inForce(claimed.channel) ?? []);
    });
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }

  leave(destination: string): void {
    const wish = this.#wishes.get(destination);
    if (wish === undefined || --wish.count > 0) return;
    this.#wishes.delete(destination);
    for (const name of wish.names) this.#release(name);
    const [first = ''] = wish.names;
    const left = (this.#narrow.get(first) ?? 0) - 1;
    if (left > 0) this.#narrow.set(first, left);
    else this.#narrow.delete(first);
  }

  /** Other masters have slots: what is wanted there is wanted of them. @returns whether anything was in force before */
  move(): boolean {
    let hasMoved = false;
    for (const [name, claimed] of this.#claimed) {
      const set = this.#parts.setOf(claimed.slot) ?? this.#nowhere;
      if (set === claimed.set) continue;
      hasMoved ||= claimed.channel.isLive;
      claimed.set.release(claimed.channel);
      claimed.channel = set.claim('sharded', name);
      claimed.set = set;
    }
    return hasMoved;
  }

  #namesOf(destination: string): readonly string[] {
    const { names } = this.#parts;
    if (!isPattern(destination)) return [names.channelOf(destination)];
    const wanted = names.channelsOfPattern(destination);
    const [first = ''] = wanted;
    const count = this.#narrow.get(first);
    if (count === undefined && this.#narrow.size >= MAX_NARROW) return names.everything;
    this.#narrow.set(first, (count ?? 0) + 1);
    return wanted;
  }

  #claim(name: string): void {
    const known = this.#claimed.get(name);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const slot = slotOf(name);
    const set = this.#parts.setOf(slot) ?? this.#nowhere;
    this.#claimed.set(name, { slot, count: 1, set, channel: set.claim('sharded', name) });
  }

  #release(name: string): void {
    const claimed = this.#claimed.get(name);
    if (claimed === undefined || --claimed.count > 0) return;
    this.#claimed.delete(name);
    claimed.set.release(claimed.channel);
  }
}
