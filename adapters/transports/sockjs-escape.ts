/**
 * The contents of a JSON string, as SockJS wants them: besides what JSON demands, characters that browsers are known to
 * mangle leave as `\uXXXX` (K-26; the same set as sockjs-node's): U+200C–200F, U+2028–202F, U+2060–206F, U+FFF0–FFFF and
 * all surrogates. Works on UTF-8 octets, so that a message is escaped once and shared by its subscribers.
 */

const HEX = Buffer.from('0123456789abcdef');
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

/** Octets one octet becomes; 0 where the character has to be decoded first. */
const GROWTH = new Uint8Array(256).fill(1);
/** The letter after the backslash for octets that have a short escape. */
const SHORT = new Uint8Array(256);
GROWTH.fill(6, 0, 0x20);
for (const [octet, letter] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [BACKSLASH, '\\'],
] as const) {
  GROWTH[octet] = 2;
  SHORT[octet] = letter.charCodeAt(0);
}
// E2 leads U+2000–2FFF, ED U+D000–DFFF, EF U+F000–FFFF; F0 and up lead what UTF-16 writes as two surrogates.
for (const lead of [0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4]) GROWTH[lead] = 0;

/**
 * Escapes valid UTF-8. Lone surrogates in the three-octet form that UTF-8 forbids are escaped as well, so that code units
 * survive; any other octet that is not UTF-8 leaves as it is.
 * @returns a new buffer, or the given memory when nothing had to change
 */
export function escapeJsonString(octets: Uint8Array): Buffer {
  const lengthBytes = escapedLength(octets);
  if (lengthBytes === octets.length) return Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  const target = Buffer.allocUnsafe(lengthBytes);
  let to = 0;
  for (let from = 0; from < octets.length; from++) {
    const octet = octets[from] ?? 0;
    const growth = GROWTH[octet];
    if (growth === 1) {
      target[to++] = octet;
    } else if (growth === 2) {
      target[to++] = BACKSLASH;
      target[to++] = SHORT[octet] ?? 0;
    } else if (growth === 6) {
      to = writeEscape(target, to, octet);
    } else {
      const sizeBytes = octet < 0xf0 ? 3 : 4;
      const character = decode(octets, from, sizeBytes);
      if (isEscaped(character)) {
        to = writeCharacter(target, to, character);
        from += sizeBytes - 1;
      } else {
        target[to++] = octet;
      }
    }
  }
  return target;
}

function escapedLength(octets: Uint8Array): number {
  let lengthBytes = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0;
    const growth = GROWTH[octet] ?? 1;
    if (growth !== 0) {
      lengthBytes += growth;
      continue;
    }
    const sizeBytes = octet < 0xf0 ? 3 : 4;
    if (isEscaped(decode(octets, at, sizeBytes))) {
      lengthBytes += sizeBytes === 3 ? 6 : 12;
      at += sizeBytes - 1;
    } else {
      lengthBytes += 1;
    }
  }
  return lengthBytes;
}

/** The character of three or four octets; -1 when they are not one. */
function decode(octets: Uint8Array, at: number, sizeBytes: 3 | 4): number {
  if (at + sizeBytes > octets.length) return -1;
  let character = (octets[at] ?? 0) & (sizeBytes === 3 ? 0x0f : 0x07);
  for (let next = at + 1; next < at + sizeBytes; next++) {
    const octet = octets[next] ?? 0;
    if ((octet & 0xc0) !== 0x80) return -1;
    character = (character << 6) | (octet & 0x3f);
  }
  return sizeBytes === 4 && (character < 0x1_0000 || character > 0x10_ffff) ? -1 : character;
}

function isEscaped(character: number): boolean {
  return (
    character >= 0x1_0000 ||
    (character >= 0xd800 && character <= 0xdfff) ||
    character >= 0xfff0 ||
    (character >= 0x200c && character <= 0x200f) ||
    (character >= 0x2028 && character <= 0x202f) ||
    (character >= 0x2060 && character <= 0x206f)
  );
}

function writeCharacter(target: Buffer, at: number, character: number): number {
  if (character < 0x1_0000) return writeEscape(target, at, character);
  const low = writeEscape(target, at, 0xd800 + ((character - 0x1_0000) >> 10));
  return writeEscape(target, low, 0xdc00 + (character & 0x3ff));
}

function writeEscape(target: Buffer, at: number, unit: number): number {
  target[at] = BACKSLASH;
  target[at + 1] = LOWER_U;
  target[at + 2] = HEX[(unit >> 12) & 15] ?? 0;
  target[at + 3] = HEX[(unit >> 8) & 15] ?? 0;
  target[at + 4] = HEX[(unit >> 4) & 15] ?? 0;
  target[at + 5] = HEX[unit & 15] ?? 0;
  return at + 6;
}
