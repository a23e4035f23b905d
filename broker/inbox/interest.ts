/**
 * Where a user has a subscription, in words that the store of all nodes can compare with a destination: one octet for the
 * kind, for patterns the separator, and what is compared.
 */
import { hasWildcard, isPattern } from '../destinations/pattern.js';

/** A destination, octet by octet. */
const EXACT = '=';
/** A pattern of which `*` in a segment and `**` are all there is. */
const GLOB = '*';
/** A pattern that covers more than was written, as only this node can tell what it covers. */
const WIDER = '?';
/** One segment, whatever it is. */
const ANYTHING = '***';

/** @param rest behind the prefix, e.g. `/queue/*` */
export function interestIn(rest: string, separator: string): string {
  if (!isPattern(rest)) return EXACT + rest;
  let kind = GLOB;
  const parts = rest.split(separator).map((segment) => {
    if (!hasWildcard(segment)) return segment;
    // One character is several octets, and a regex is this node's to read.
    if (segment.includes('?') || /\{[^{}]*:/.test(segment)) {
      kind = WIDER;
      return '*';
    }
    const glob = segment.replace(/\{[^{}]*\}/g, '*');
    // A variable alone is no star: that may be empty, at the end.
    return glob !== segment && /^\*+$/.test(glob) ? ANYTHING : glob;
  });
  return kind + separator + parts.join(separator);
}

/** Whether the store may find more than the pattern covers. */
export function isWider(interest: string): boolean {
  return interest.startsWith(WIDER);
}
