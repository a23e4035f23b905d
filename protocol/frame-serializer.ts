/** Frames → octets. MESSAGE is written as a head per subscription and a tail shared by all of one version. */
import type { CommandName } from './command.js';
import { escapeHeader } from './header-escape.js';
import type { StompVersion } from './version.js';

const EMPTY = Buffer.alloc(0);
const NUL_BYTES = 1;

/** One header line with its LF. CONNECT and CONNECTED are never escaped, so `version` null writes text as it is. */
export function formatHeader(name: string, value: string, version: StompVersion | null): string {
  if (version === null) return `${name}:${value}\n`;
  return `${escapeHeader(name, version, 'name')}:${escapeHeader(value, version, 'value')}\n`;
}

/**
 * One whole frame, NUL included.
 * @param headers written in order; `content-length` is the caller's to add
 * @throws RangeError when a header of an unescaped frame (CONNECT, STOMP, CONNECTED) would break the frame
 */
export function serializeFrame(
  command: CommandName,
  headers: Iterable<readonly [string, string]>,
  version: StompVersion,
  body: Uint8Array = EMPTY,
): Buffer {
  const unescaped = command === 'CONNECT' || command === 'STOMP' || command === 'CONNECTED';
  let head = `${command}\n`;
  for (const [name, value] of headers) {
    if (unescaped && (/[\r\n\0:]/.test(name) || /[\r\n\0]/.test(value))) {
      throw new RangeError(
        `${command} cannot carry header ${JSON.stringify(name)}: CR, LF and NUL have no escape there`,
      );
    }
    head += formatHeader(name, value, unescaped ? null : version);
  }
  return joinFrame(`${head}\n`, body);
}

/**
 * The part of a MESSAGE that all subscriptions of one version share: LF, header lines, blank line, body, NUL.
 * It begins with the LF that ends the line before it, so that it can stand behind any last header of the head.
 */
export function messageTail(
  headers: Iterable<readonly [string, string]>,
  version: StompVersion,
  body: Uint8Array,
): Buffer {
  let lines = '\n';
  for (const [name, value] of headers) lines += formatHeader(name, value, version);
  return joinFrame(`${lines}content-length:${body.length}\n\n`, body);
}

/** What comes first in every MESSAGE of one subscription, up to the digits of the message-id. */
export function messageHead(subscriptionId: string | null, messageIdPrefix: string, version: StompVersion): Buffer {
  const subscription = subscriptionId === null ? '' : formatHeader('subscription', subscriptionId, version);
  return Buffer.from(`MESSAGE\n${subscription}message-id:${messageIdPrefix}`);
}

function joinFrame(head: string, body: Uint8Array): Buffer {
  const headBytes = Buffer.byteLength(head);
  const frame = Buffer.allocUnsafe(headBytes + body.length + NUL_BYTES);
  frame.write(head, 0);
  frame.set(body, headBytes);
  frame[frame.length - 1] = 0;
  return frame;
}
