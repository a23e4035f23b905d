/**
 * Below one node of the subscription index: the segments that are neither literal nor `*` nor `**`, such as `price.*`. Each
 * stands under what a segment must begin or end with, so that of a hundred thousand patterns `order-…-*` only those are
 * tried that can match.
 */
import { compileSegment, type SegmentTest } from './pattern.js';

interface Entry<N> {
  readonly pattern: string;
  readonly test: SegmentTest;
  readonly node: N;
}

/** By length of the literal part, then by its text. The lengths are few. */
type Literals<N> = Map<number, Map<string, Set<Entry<N>>>>;

export class SegmentPatterns<N> {
  readonly #byPattern = new Map<string, Entry<N>>();
  /** With neither beginning nor end they are under the empty beginning. */
  readonly #byStart: Literals<N> = new Map();
  readonly #byEnd: Literals<N> = new Map();

  get isEmpty(): boolean {
    return this.#byPattern.size === 0;
  }

  get(pattern: string): N | null {
    return this.#byPattern.get(pattern)?.node ?? null;
  }

  /** @throws BrokerError `destination-invalid` for a segment that cannot be compiled */
  add(pattern: string, node: N): void {
    const entry = { pattern, test: compileSegment(pattern), node };
    this.#byPattern.set(pattern, entry);
    const { literals, text } = this.#placeOf(pattern);
    let byText = literals.get(text.length);
    if (byText === undefined) literals.set(text.length, (byText = new Map<string, Set<Entry<N>>>()));
    const entries = byText.get(text);
    if (entries === undefined) byText.set(text, new Set([entry]));
    else entries.add(entry);
  }

  remove(pattern: string): void {
    const entry = this.#byPattern.get(pattern);
    if (entry === undefined) return;
    this.#byPattern.delete(pattern);
    const { literals, text } = this.#placeOf(pattern);
    const byText = literals.get(text.length);
    const entries = byText?.get(text);
    entries?.delete(entry);
    if (entries?.size === 0) byText?.delete(text);
    if (byText?.size === 0) literals.delete(text.length);
  }

  /** Those that may match a segment: it begins or ends as they do. */
  *candidates(segment: string): Iterable<Entry<N>> {
    for (const [length, byText] of this.#byStart) yield* byText.get(segment.slice(0, length)) ?? [];
    for (const [length, byText] of this.#byEnd) yield* byText.get(segment.slice(-length)) ?? [];
  }

  /** Under the longer of the two. */
  #placeOf(pattern: string): { readonly literals: Literals<N>; readonly text: string } {
    const start = pattern.slice(0, pattern.search(/[*?{]/));
    const end = /[^*?}]*$/.exec(pattern)?.[0] ?? '';
    return end.length > start.length ? { literals: this.#byEnd, text: end } : { literals: this.#byStart, text: start };
  }
}
