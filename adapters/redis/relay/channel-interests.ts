/** Which channels and globs this node wants of Redis, by what its clients subscribe to. */
import { isPattern } from '../../../broker/destinations/pattern.js';
import type { Channel, ChannelSet } from '../connection/channel-set.js';
import type { ChannelNames } from './channel-names.js';

/** Redis compares each PUBLISH with every glob of every node: above this a node takes everything instead of one more. */
const MAX_GLOBS = 256;
/** Above this nobody asks which of them match one channel. */
const MAX_COMPARED_GLOBS = 16;

export class ChannelInterests {
  readonly #names: ChannelNames;
  readonly #channels: ChannelSet;
  /** By destination or pattern, as subscribed: where a pattern is counted depends on what was there before it. */
  readonly #claims = new Map<string, { readonly channel: Channel; count: number }>();

  constructor(names: ChannelNames, channels: ChannelSet) {
    this.#names = names;
    this.#channels = channels;
  }

  /** As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined {
    let claim = this.#claims.get(destination);
    if (claim === undefined) {
      const channel = isPattern(destination)
        ? this.#channels.claim('glob', this.#globFor(destination))
        : this.#channels.claim('exact', this.#names.channelOf(destination));
      this.#claims.set(destination, (claim = { channel, count: 0 }));
    }
    claim.count++;
    return this.#channels.inForce(claim.channel);
  }

  leave(destination: string): void {
    const claim = this.#claims.get(destination);
    if (claim === undefined || --claim.count > 0) return;
    this.#claims.delete(destination);
    this.#channels.release(claim.channel);
  }

  /** Those that bring what is published on a channel; null where that cannot be said, or is changing. */
  matching(channel: string): readonly Channel[] | null {
    const globs = this.#channels.of('glob');
    if (globs.size > MAX_COMPARED_GLOBS) return null;
    const matching: Channel[] = [];
    const exact = this.#channels.of('exact').get(channel);
    if (exact !== undefined) matching.push(exact);
    for (const glob of globs.values()) if (this.#names.matches(glob.name, channel)) matching.push(glob);
    return matching.every(({ isLive }) => isLive) ? matching : null;
  }

  #globFor(pattern: string): string {
    const glob = this.#names.globOf(pattern);
    const globs = this.#channels.of('glob');
    return globs.has(glob) || globs.size < MAX_GLOBS ? glob : this.#names.everything;
  }
}
