/**
 * Between JavaScript strings, which SockJS carries, and octets, which STOMP is made of. The difficulty is surrogates: a
 * pair may be cut between two strings (K-28), and a lone one has no UTF-8.
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Strings of one session as a stream of UTF-8. */
export class TextStream {
  #highSurrogate = '';

  /** A high surrogate at the end waits for the next string; other lone surrogates become U+FFFD. */
  push(text: string): Buffer {
    let whole = this.#highSurrogate + text;
    this.#highSurrogate = '';
    if (isHighSurrogate(whole.charCodeAt(whole.length - 1))) {
      this.#highSurrogate = whole.slice(-1);
      whole = whole.slice(0, -1);
    }
    return Buffer.from(whole);
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** UTF-8, but lone surrogates get three octets, from which `escapeJsonString` makes their escapes again. */
export function codeUnitsToOctets(text: string): Buffer {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text);
  const parts: Buffer[] = [];
  for (const part of text.split(/(\p{Surrogate})/u)) {
    const unit = part.charCodeAt(0);
    const isLone = part.length === 1 && unit >= 0xd800 && unit <= 0xdfff;
    parts.push(isLone ? Buffer.from([0xed, 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)]) : Buffer.from(part));
  }
  return Buffer.concat(parts);
}

/** Whether parsed JSON is an array of nothing but strings. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
