/**
 * Destinations as Redis channels, patterns as Redis globs. A glob may match more than its pattern and never less: the node
 * that receives a message asks its own subscriptions again.
 */
import { hasWildcard, splitSegments } from '../../../broker/destinations/pattern.js';

/** Ends the glob of a whole segment in Redis' language, where `*` also stands for separators. */
const ANY = '*';
/** More globs than a node has. */
const MAX_EXPRESSIONS = 1_000;

export class ChannelNames {
  readonly #prefix: string;
  readonly #separator: string;
  readonly #expressions = new Map<string, RegExp>();

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

  /** Whether Redis gives what is published on a channel to those subscribed to a glob that `globOf` made. */
  matches(glob: string, channel: string): boolean {
    let expression = this.#expressions.get(glob);
    if (expression === undefined) {
      if (this.#expressions.size >= MAX_EXPRESSIONS) this.#expressions.clear();
      this.#expressions.set(glob, (expression = expressionOf(glob)));
    }
    return expression.test(channel);
  }

  globOf(pattern: string): string {
    const segments = splitSegments(pattern, this.#separator);
    let glob = '';
    // So far nothing may stand in front.
    let isFirst = true;
    for (const [k, segment] of segments.entries()) {
      // These may stand for no segment at all, so that the separator in front of them is missing too.
      const mayBeNothing = segment === '**' || (segment === '*' && k === segments.length - 1);
      if (mayBeNothing) glob += ANY;
      else glob += (isFirst ? '' : literal(this.#separator)) + segmentGlob(segment);
      isFirst &&= mayBeNothing;
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

function expressionOf(glob: string): RegExp {
  const parts = glob.match(/\\.|[^\\]/gsu) ?? [];
  const source = parts.map((part) =>
    part === ANY ? '.*' : escapeForRegExp(part.startsWith('\\') ? part.slice(1) : part),
  );
  return new RegExp(`^${source.join('')}$`, 'su');
}

function escapeForRegExp(text: string): string {
  return text.replace(/[$()*+./?[\\\]^{|}]/g, '\\$&');
}

function literal(text: string): string {
  return text.replace(/[*?[\]\\^-]/g, '\\$&');
}
