/**
 * Ant-style patterns of SUBSCRIBE: `?` one character, `*` any run inside a segment, `**` any number of whole segments,
 * `{name}` one segment, `{name:regex}` one segment that matches (Spring S5.1–S5.5). Only the pieces: the index walks them.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';

/** Tests one segment of a destination. */
export type SegmentTest = (segment: string) => boolean;

/** What a regex costs beside the same length of `*` and `?`, and a `**` with something behind it. */
const REGEX_WEIGHT = 8;
/** A longer segment is matched by no regex: with two parts of open length the cost is its square. */
const MAX_REGEX_TEXT = 128;
/** A longer one is matched by `*` and `**` alone: what stands between stars is looked for at every place of it. */
const MAX_GLOB_TEXT = 256;
/** Parts of open length in one segment with a regex: two keep the worst case of backtracking quadratic in a short text. */
const MAX_REGEX_QUANTIFIERS = 2;

/** Whether SUBSCRIBE's destination is a pattern; all else is compared octet by octet. */
export function isPattern(destination: string): boolean {
  if (destination.includes('*') || destination.includes('?')) return true;
  const open = destination.indexOf('{');
  return open >= 0 && destination.includes('}', open);
}

/** Segments between separators; repeated separators count as one. */
export function splitSegments(destination: string, separator: string): string[] {
  return destination.split(separator).filter((segment) => segment !== '');
}

/**
 * What it costs others that a pattern is subscribed, in octets of it that each new destination may have to be compared
 * with: none for `*`, for a last `**` and for literal segments, which are found without a search.
 */
export function patternWeight(pattern: string, separator: string): number {
  if (!isPattern(pattern)) return 0;
  const segments = splitSegments(pattern, separator);
  return segments.reduce((weight, segment, k) => {
    if (segment === '*' || !hasWildcard(segment)) return weight;
    if (segment === '**') return k === segments.length - 1 ? weight : weight + REGEX_WEIGHT;
    return weight + segment.length * (isRegexSegment(segment) ? REGEX_WEIGHT : 1);
  }, 0);
}

function isRegexSegment(segment: string): boolean {
  return /\{[^{}:]*:/.test(segment);
}

/**
 * A pattern in another broker's words: `#` (amqp) or a last `>` (activemq) is any number of whole segments.
 * Where the separator is a dot the first segment has the prefix in it: `/topic/#` is one or more of what follows.
 */
export function toAntPattern(pattern: string, wildcards: 'amqp' | 'activemq', separator: string): string {
  const rest = wildcards === 'amqp' ? '#' : '>';
  const segments = pattern.split(separator);
  const read = segments.map((segment, k): string => {
    const isRead = wildcards === 'amqp' || k === segments.length - 1;
    if (!isRead || (segment !== rest && !segment.endsWith(`/${rest}`))) return segment;
    return segment === rest ? '**' : `${segment.slice(0, -1)}*${separator}**`;
  });
  return read.join(separator);
}

export function hasWildcard(segment: string): boolean {
  return isPattern(segment);
}

/**
 * Makes the test of one segment that is neither literal nor `*` nor `**`.
 * @throws BrokerError `destination-invalid` for a regex that is malformed or could be slow
 */
export function compileSegment(pattern: string): SegmentTest {
  return isRegexSegment(pattern) ? compileRegexSegment(pattern) : compileGlob(pattern.replace(/\{[^{}]+\}/g, '*'));
}

/** Whether the segment is too long to be compared with the pattern: its test says no, whatever stands in it. */
export function isBeyondTest(pattern: string, segment: string): boolean {
  return segment.length > (isRegexSegment(pattern) ? MAX_REGEX_TEXT : MAX_GLOB_TEXT);
}

/** `*` and `?` by going back to the last star only: linear in practice, at worst pattern × segment. */
function compileGlob(glob: string): SegmentTest {
  return (segment) => {
    if (segment.length > MAX_GLOB_TEXT) return false;
    let at = 0;
    let g = 0;
    let star = -1;
    let resume = 0;
    while (at < segment.length) {
      if (g < glob.length && (glob[g] === '?' || (glob[g] === segment[at] && glob[g] !== '*'))) {
        at++;
        g++;
      } else if (glob[g] === '*') {
        star = g++;
        resume = at;
      } else if (star >= 0) {
        g = star + 1;
        at = ++resume;
      } else {
        return false;
      }
    }
    while (glob[g] === '*') g++;
    return g === glob.length;
  };
}

function compileRegexSegment(pattern: string): SegmentTest {
  let source = '';
  for (const part of pattern.matchAll(/\{[^{}:]*:((?:[^{}]|\{[\d,]*\})*)\}|\{[^{}]+\}|[^{}]+|[{}]/g)) {
    const [text, regex] = part;
    if (regex !== undefined) source += checkedRegex(regex, pattern);
    else if (text.startsWith('{')) source += text === '{' ? '\\{' : '.*';
    else
      source += text
        .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
        .replaceAll('?', '.')
        .replaceAll('*', '.*');
  }
  // `?` counts: forty of `a?` before forty of `a` take 2^40 steps. One behind another quantifier makes that one lazy.
  const quantifiers = source.replace(/\\./g, '').match(/(?:[*+?]|\{\d+,\d*\})\??/g)?.length ?? 0;
  if (quantifiers > MAX_REGEX_QUANTIFIERS) {
    throw refused(pattern, `at most ${MAX_REGEX_QUANTIFIERS} of "*", "+", "?" and "{n,}" in one segment`);
  }
  try {
    const expression = new RegExp(`^${source}$`, 'su');
    return (segment) => segment.length <= MAX_REGEX_TEXT && expression.test(segment);
  } catch {
    throw refused(pattern, 'a regular expression that compiles');
  }
}

/** No groups, no back-references, no alternation: what is left cannot nest one repetition in another. */
function checkedRegex(regex: string, pattern: string): string {
  if (regex === '' || /[()|]|\\[1-9k]/.test(regex.replace(/\\[^1-9k]/g, ''))) {
    throw refused(pattern, 'no groups, alternatives or back-references');
  }
  return regex;
}

function refused(pattern: string, wants: string): BrokerError {
  return new BrokerError('destination-invalid', `Pattern segment ${quoteInput(pattern)}: wants ${wants}`);
}
