/** Who a client says it is, with what program and from where, as the columns of the connection log want it. */
import { isIP } from 'node:net';
import type { SessionEventMap } from '../../broker/application/session-events.js';
import type { Handshake } from '../../broker/ports.js';

type ConnectEvent = SessionEventMap['connect'];

/** Browsers send about 120; the rest of a made-up one is nobody's loss. */
const MAX_USER_AGENT_LENGTH = 1_024;
const MAX_INT64 = 2n ** 63n - 1n;

/**
 * The user's id: the name of the principal, or the number in a header of CONNECT.
 * @param header name of that header, in any case; null takes the principal's name
 * @returns null for an anonymous client, a header that is missing, or one that is no whole number of 64 bits
 */
export function userIdOf({ session, headers }: ConnectEvent, header: string | null): string | null {
  if (header === null) return session.user?.name ?? null;
  const value = frameHeader(headers, header);
  if (value === undefined || !/^[+-]?\d{1,19}$/.test(value)) return null;
  const number = BigInt(value.replace('+', ''));
  return number > MAX_INT64 || number < -MAX_INT64 - 1n ? null : number.toString();
}

/** Of the CONNECT frame or else of the HTTP request; null when neither says. */
export function userAgentOf({ headers, handshake }: ConnectEvent): string | null {
  const value = frameHeader(headers, 'user-agent') ?? handshakeHeader(handshake, 'user-agent');
  return value === undefined || value === '' ? null : value.slice(0, MAX_USER_AGENT_LENGTH);
}

/**
 * The client's address: what a trusted proxy says in `X-Forwarded-For`, or else what a header of CONNECT says, or else
 * the peer of the socket. What is no address counts as not said.
 * @param header name of that header, in any case; null asks none
 */
export function addressOf({ session, headers, handshake }: ConnectEvent, header: string | null): string | null {
  const forwarded =
    handshake?.isProxyTrusted === true ? firstAddress(handshakeHeader(handshake, 'x-forwarded-for')) : null;
  const claimed = header === null ? null : firstAddress(frameHeader(headers, header));
  return forwarded ?? claimed ?? firstAddress(session.remoteAddress);
}

/** The first of a list, without port, brackets, zone and the prefix of an IPv4 address in IPv6 form. */
function firstAddress(list: string | undefined): string | null {
  const first = list?.split(',', 1)[0]?.trim() ?? '';
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(first)?.[1] ?? /^([\d.]+):\d+$/.exec(first)?.[1] ?? first;
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? null : address;
}

/** Clients do not agree on the case of header names that HTTP knows too. */
function frameHeader(headers: ReadonlyMap<string, string>, name: string): string | undefined {
  const lower = name.toLowerCase();
  for (const [key, value] of headers) if (key.toLowerCase() === lower) return value;
  return undefined;
}

function handshakeHeader(handshake: Handshake | null, name: string): string | undefined {
  const value = handshake?.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
