/**
 * Destinations as Redis channels, patterns as Redis globs. A glob may match more than its pattern and never less: the node
 * that receives a message asks its own subscriptions again.
 */
import { hasWildcard, splitSegments } from '../../../broker/destinations/pattern.js';

/** Ends the glob of a whole segment in Redis' language, where `*` also stands for separators. */
const ANY = '*';

export class ChannelNames {
  readonly #prefix: string;
  readonly #separator: string;

  /** @param prefix in front of every channel, so that several clusters can share one Redis */
  constructor(prefix: string, separator: string) {
    this.#prefix = `${prefix}topic:`;
    this.#separator = separator;
  }

  /** The glob of everything. */
  get everything(): string {
    return `${literal(this.#prefix)}${ANY}`;
  }

  /** Destinations that the same patterns match have the same channel: what separates is written once, and only between. */
  channelOf(destination: string): string {
    return `${this.#prefix}${splitSegments(destination, this.#separator).join(this.#separator)}`;
  }

  globOf(pattern: string): string {
    const segments = splitSegments(pattern, this.#separator);
    let glob = '';
    for (const [k, segment] of segments.entries()) {
      // These may stand for no segment at all, so that the separator in front of them is missing too.
      const mayBeNothing = segment === '**' || (segment === '*' && k === segments.length - 1);
      if (mayBeNothing) glob += ANY;
      else glob += (glob === '' || glob === ANY ? '' : literal(this.#separator)) + segmentGlob(segment);
    }
    return `${literal(this.#prefix)}${glob.replace(/(?<!\\)\*{2,}/g, ANY)}`;
  }
}

/** What every segment that matches begins and ends with. */
function segmentGlob(segment: string): string {
  if (!hasWildcard(segment)) return literal(segment);
  const start = segment.slice(0, segment.search(/[*?{]/));
  const end = /[^*?}]*$/.exec(segment)?.[0] ?? '';
  return `${literal(start)}${ANY}${literal(end)}`;
}

function literal(text: string): string {
  return text.replace(/[*?[\]\\^-]/g, '\\$&');
}
