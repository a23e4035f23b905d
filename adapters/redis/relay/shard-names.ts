/**
 * Channels in a Redis Cluster, where each is known to the master of its slot alone and globs do not exist. Every destination
 * falls into one of 64 parts, whose slots are spread evenly; what a pattern wants is one channel in each part.
 */
import { hasWildcard, splitSegments } from '../../../broker/destinations/pattern.js';
import { SLOTS, slotOf } from '../connection/hash-slot.js';

/** Enough to spread over some twenty masters; few enough that a pattern is 64 channels. */
export const PARTS = 64;
const SLOTS_PER_PART = SLOTS / PARTS;

/** Of each part: a text that, as a hash tag, is in a slot of that part. */
const TAGS = findTags();

export interface ShardNamesParts {
  /** In front of every channel, so that several clusters can share one Redis. */
  readonly prefix: string;
  /** Of destinations. */
  readonly separator: string;
}

export class ShardNames {
  readonly #prefix: string;
  readonly #separator: string;
  /** Segments whose literal text narrows what a pattern hears. With another separator `/topic/` is part of the first. */
  readonly #depth: number;

  constructor({ prefix, separator }: ShardNamesParts) {
    this.#prefix = prefix;
    this.#separator = separator;
    this.#depth = separator === '/' ? 2 : 1;
  }

  /** Channels that a message for a destination is published to, all in one slot: that of the destination comes first. */
  channelsOf(destination: string): readonly [exact: string, under: string, everything: string] {
    const { part, exact, segments } = this.#place(destination);
    return [exact, this.#under(part, segments), this.#everything(part)];
  }

  /** The one channel of a destination. */
  channelOf(destination: string): string {
    return this.#place(destination).exact;
  }

  /** The channels of a pattern: at least what it matches is published to one of them each. */
  channelsOfPattern(pattern: string): readonly string[] {
    const segments = splitSegments(pattern, this.#separator);
    const isNarrow = segments.length > this.#depth && !segments.slice(0, this.#depth).some(hasWildcard);
    return isNarrow ? TAGS.map((_, part) => this.#under(part, segments)) : this.everything;
  }

  /** What hears every destination. */
  get everything(): readonly string[] {
    return TAGS.map((_, part) => this.#everything(part));
  }

  #place(destination: string): { readonly part: number; readonly exact: string; readonly segments: readonly string[] } {
    const segments = splitSegments(destination, this.#separator);
    // Destinations that the same patterns match have the same channel: what separates is written once, and only between.
    const name = segments.join(this.#separator);
    // Without braces: what the destination has of them must not decide.
    const part = Math.floor(slotOf(name.replace(/[{}]/g, '')) / SLOTS_PER_PART);
    return { part, exact: `${this.#start(part)}topic:${name}`, segments };
  }

  #under(part: number, segments: readonly string[]): string {
    return `${this.#start(part)}under:${segments.slice(0, this.#depth).join(this.#separator)}`;
  }

  #everything(part: number): string {
    return `${this.#start(part)}all`;
  }

  #start(part: number): string {
    return `${this.#prefix}{${TAGS[part] ?? ''}}`;
  }
}

function findTags(): readonly string[] {
  const tags = new Map<number, string>();
  for (let n = 0; tags.size < PARTS; n++) {
    const part = Math.floor(slotOf(String(n)) / SLOTS_PER_PART);
    if (!tags.has(part)) tags.set(part, String(n));
  }
  return Array.from({ length: PARTS }, (_, part) => tags.get(part) ?? '');
}
