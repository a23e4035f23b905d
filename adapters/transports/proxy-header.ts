/**
 * The header by which a proxy says whose connection it passes on: PROXY protocol, version 1 (a line of text) and 2 (octets),
 * as HAProxy defines them. Only the reading: who is trusted to say it is the listener's matter.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export interface ProxyHeader {
  /** Null: the proxy speaks for itself (a health check), or does not know. */
  readonly remoteAddress: string | null;
  /** How long the header is, in octets; what follows is the client's. */
  readonly length: number;
}

/** Octets that are no header of either version. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

const TEXT = Buffer.from('PROXY ');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** By the definition of version 1, its CRLF included. */
const MAX_LINE = 107;
/** Signature, version and command, family, length. */
const FIXED = 16;
/** Behind them; the definition has no bound, but addresses and what proxies add take a few hundred. */
const MAX_REST = 2_048;
const LF = 10;

/**
 * @param octets everything that has arrived so far
 * @returns null when the header is not whole yet
 * @throws ProxyHeaderError as soon as it cannot become one
 */
export function readProxyHeader(octets: Buffer): ProxyHeader | null {
  if (octets.length === 0) return null;
  return startsLike(octets, SIGNATURE) ? readOctets(octets) : readLine(octets);
}

function startsLike(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length);
  return octets.subarray(0, length).equals(start.subarray(0, length));
}

function readLine(octets: Buffer): ProxyHeader | null {
  if (!startsLike(octets, TEXT)) throw new ProxyHeaderError('no PROXY header at the start of the connection');
  const end = octets.subarray(0, MAX_LINE).indexOf(LF);
  if (end < 0) {
    if (octets.length >= MAX_LINE) throw new ProxyHeaderError(`a PROXY line of more than ${MAX_LINE} octets`);
    return null;
  }
  const line = octets.toString('latin1', 0, end);
  const length = end + 1;
  if (/^PROXY UNKNOWN( [^\r\n]*)?\r$/.test(line)) return { remoteAddress: null, length };
  const [, family, source = '', target = '', ...ports] =
    /^PROXY (TCP4|TCP6) ([^ ]+) ([^ ]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r$/.exec(line) ?? [];
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  const fits = family !== undefined && isAddress(source) && isAddress(target);
  if (!fits || ports.some((port) => Number(port) > 65_535)) throw new ProxyHeaderError('a malformed PROXY line');
  return { remoteAddress: source, length };
}

function readOctets(octets: Buffer): ProxyHeader | null {
  const versionAndCommand = octets[12];
  if (versionAndCommand === undefined) return null;
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) {
    throw new ProxyHeaderError('a PROXY header of another version, or with an unknown command');
  }
  if (octets.length < FIXED) return null;
  const rest = octets.readUInt16BE(14);
  if (rest > MAX_REST) throw new ProxyHeaderError(`a PROXY header of more than ${FIXED + MAX_REST} octets`);
  const length = FIXED + rest;
  if (octets.length < length) return null;
  const isLocal = versionAndCommand === 0x20;
  return { remoteAddress: isLocal ? null : sourceOf(octets[13] ?? 0, octets.subarray(FIXED, length)), length };
}

/** Of TCP over IPv4 and IPv6; null for the rest, UNIX sockets and datagrams. */
function sourceOf(family: number, rest: Buffer): string | null {
  if (family !== 0x11 && family !== 0x21) return null;
  const size = family === 0x11 ? 4 : 16;
  if (rest.length < 2 * size + 4) throw new ProxyHeaderError('a PROXY header too short for its addresses');
  if (size === 4) return rest.subarray(0, 4).join('.');
  const groups = Array.from({ length: 8 }, (_, k) => rest.readUInt16BE(2 * k).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
