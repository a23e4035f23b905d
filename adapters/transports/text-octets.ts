/**
 * Between JavaScript strings, which SockJS carries, and octets, which STOMP is made of. The difficulty is surrogates: a
 * pair may be cut between two strings (K-28), and a lone one has no UTF-8.
 */
import { isUtf8 } from 'node:buffer';

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

/** UTF-8, but lone surrogates keep their three octets, so that `octetsToText` gives the same string again. */
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

/** Decodes UTF-8 and the surrogates of `codeUnitsToOctets`; what is neither becomes U+FFFD. */
export function octetsToText(octets: Buffer): string {
  if (isUtf8(octets)) return octets.toString();
  let text = '';
  let from = 0;
  for (let at = octets.indexOf(0xed); at !== -1; at = octets.indexOf(0xed, at + 1)) {
    const second = octets[at + 1] ?? 0;
    const third = octets[at + 2] ?? 0;
    if (second < 0xa0 || second > 0xbf || (third & 0xc0) !== 0x80) continue;
    text += octets.toString('utf8', from, at);
    text += String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
    from = at + 3;
  }
  return text + octets.toString('utf8', from);
}

/** Whether parsed JSON is an array of nothing but strings. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
