/** Escape and unescape of header names and values (STOMP 1.1 and 1.2, Value Encoding; 1.0 has none). */
import { ProtocolError, quoteInput } from './protocol-error.js';
import type { StompVersion } from './version.js';

const NEEDS_ESCAPE = /[\\\n\r:]/;
const ESCAPABLE = /[\\\n\r:]/g;

/**
 * Text as it goes on the wire. On 1.1 a CR stays raw, as that version has no escape for it.
 * On 1.0 nothing can be escaped, but a raw LF would end the header and let a sender on a later version write headers
 * of its own choice into a 1.0 subscriber's frame, so LF leaves as the two characters `\n` (and a colon in a name as `\c`).
 */
export function escapeHeader(text: string, version: StompVersion, part: 'name' | 'value'): string {
  if (!NEEDS_ESCAPE.test(text)) return text;
  if (version === '1.0') {
    const safe = text.replaceAll('\n', '\\n');
    return part === 'name' ? safe.replaceAll(':', '\\c') : safe;
  }
  return text.replace(ESCAPABLE, (octet) => {
    if (octet === '\\') return '\\\\';
    if (octet === '\n') return '\\n';
    if (octet === ':') return '\\c';
    return version === '1.2' ? '\\r' : octet;
  });
}

/**
 * Text as the sender meant it, in one pass: `\\n` is a backslash and the letter n.
 * @throws ProtocolError `header-escape-unknown`; on 1.1 also for `\r`
 */
export function unescapeHeader(text: string, version: StompVersion, lineNumber: number): string {
  if (version === '1.0') return text;
  let at = text.indexOf('\\');
  if (at < 0) return text;
  let result = '';
  let copied = 0;
  for (; at >= 0; at = text.indexOf('\\', copied)) {
    const octet = UNESCAPED[text[at + 1] ?? ''];
    if (octet === undefined || (octet === '\r' && version === '1.1')) {
      throw new ProtocolError(
        'header-escape-unknown',
        `Header line ${lineNumber}: ${quoteInput(text.slice(at, at + 2))} is no escape of STOMP ${version}`,
      );
    }
    result += text.slice(copied, at) + octet;
    copied = at + 2;
  }
  return result + text.slice(copied);
}

/** Without a prototype: `\constructor` must not find anything. */
const UNESCAPED: Readonly<Record<string, string | undefined>> = Object.assign(
  Object.create(null) as Record<string, string>,
  { n: '\n', r: '\r', c: ':', '\\': '\\' },
);
