/**
 * Spring's AntPathMatcher (facts S3.41, S5.1–S5.5), matched from both ends of the pattern as Spring does it: nothing in
 * common with the trie of broker/destinations.
 */
export function antMatch(pattern: string, destination: string, separator: string): boolean {
  if (pattern.startsWith(separator) !== destination.startsWith(separator)) return false;
  const wanted = tokens(pattern, separator);
  const given = tokens(destination, separator);
  const firstRest = wanted.indexOf('**');
  const isSameEnd = pattern.endsWith(separator) === destination.endsWith(separator);
  if (firstRest < 0) return matchWithoutRest(wanted, given, destination.endsWith(separator), isSameEnd);
  const lastRest = wanted.lastIndexOf('**');
  const tailLength = wanted.length - 1 - lastRest;
  // Spring looks at the separator only when a segment behind the last `**` was compared.
  if (tailLength > 0 && !isSameEnd) return false;
  if (given.length < firstRest + tailLength) return false;
  const head = given.slice(0, firstRest);
  const tail = given.slice(given.length - tailLength);
  if (!head.every((segment, k) => segmentMatches(wanted[k] ?? '', segment))) return false;
  if (!tail.every((segment, k) => segmentMatches(wanted[lastRest + 1 + k] ?? '', segment))) return false;
  return middleMatches(wanted.slice(firstRest, lastRest), given.slice(firstRest, given.length - tailLength));
}

function tokens(text: string, separator: string): string[] {
  return text.split(separator).filter((token) => token.length > 0);
}

function matchWithoutRest(wanted: string[], given: string[], endsWithSeparator: boolean, isSameEnd: boolean): boolean {
  if (given.length > wanted.length) return false;
  if (!given.every((segment, k) => segmentMatches(wanted[k] ?? '', segment))) return false;
  if (given.length === wanted.length) return isSameEnd;
  return given.length + 1 === wanted.length && wanted.at(-1) === '*' && endsWithSeparator;
}

/** Runs of segments between two `**`, each found as early as possible. */
function middleMatches(wanted: string[], given: string[]): boolean {
  let from = 0;
  let at = 0;
  while (at < wanted.length) {
    const end = wanted.indexOf('**', at + 1);
    const run = wanted.slice(at + 1, end < 0 ? wanted.length : end);
    let found = -1;
    for (let start = from; start + run.length <= given.length && found < 0; start++) {
      if (run.every((segment, k) => segmentMatches(segment, given[start + k] ?? ''))) found = start;
    }
    if (found < 0) return false;
    from = found + run.length;
    at += run.length + 1;
  }
  return true;
}

function segmentMatches(pattern: string, segment: string): boolean {
  return new RegExp(`^${translate(pattern)}$`, 's').test(segment);
}

function translate(pattern: string): string {
  let source = '';
  let literalFrom = 0;
  for (const found of pattern.matchAll(/\?|\*|\{((?:\{[^{}]*\}|[^{}])+)\}/g)) {
    source += quote(pattern.slice(literalFrom, found.index));
    literalFrom = found.index + found[0].length;
    if (found[0] === '?') source += '.';
    else if (found[0] === '*') source += '.*';
    else {
      const colon = found[1]?.indexOf(':') ?? -1;
      source += colon < 0 ? '(?:.*)' : `(?:${found[1]?.slice(colon + 1) ?? ''})`;
    }
  }
  return source + quote(pattern.slice(literalFrom));
}

function quote(text: string): string {
  return text.replace(/[\\^$.|+()[\]{}?*]/g, '\\$&');
}
