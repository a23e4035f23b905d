/** What can be wrong with octets that claim to be STOMP: one table of stable codes. */

const PROTOCOL_ERRORS = {
  'command-unknown': 'the first line of a frame is no command that this side may receive',
  'frame-malformed': 'octets that no frame can hold at this place',
  'header-malformed': 'a header line without a colon, with an empty name, or with a raw CR',
  'header-escape-unknown': 'a backslash in a header that starts no escape of this version',
  'header-not-utf8': 'a header that is not valid UTF-8',
  'headers-too-many': 'more header lines than the limit',
  'header-too-long': 'a header line longer than the limit',
  'content-length-invalid': 'a content-length that is not a decimal number of octets',
  'content-length-mismatch': 'no NUL after the octets that content-length counts',
  'body-too-long': 'a body longer than the limit',
  'body-not-allowed': 'a body on a frame that may not have one',
  'version-unsupported': 'no version in accept-version that this side speaks',
  'heart-beat-invalid': 'a heart-beat header that is not two non-negative integers',
} as const;

export type ProtocolErrorCode = keyof typeof PROTOCOL_ERRORS;

/** Code → what it means; the README's table is held equal to this by a test. */
export const PROTOCOL_ERROR_CODES: Readonly<Record<ProtocolErrorCode, string>> = PROTOCOL_ERRORS;

/** Fatal for the stream it was found in: STOMP has no way to find the next frame after one that is malformed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  /** @param message one line, fit for the peer's eyes: echoes no more than a bounded, printable piece of its octets */
  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A piece of the peer's text, made safe for a header or a log: printable ASCII, at most `maxLength` characters. */
export function quoteInput(text: string, maxLength = 40): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return JSON.stringify(cut).replace(/[^\x20-\x7e]/g, (character) =>
    character === '…' ? '...' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
