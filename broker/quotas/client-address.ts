/** Where a client is, for quotas: behind a trusted proxy what that saw, and of IPv6 the network. */
import type { Handshake } from '../ports.js';

/**
 * @param proxyHops how many proxies add to X-Forwarded-For: the client's address stands that far from its end
 * @returns an IPv4 address, or the first 64 bits of an IPv6 one; empty when unknown
 */
export function clientAddress(remoteAddress: string, handshake: Handshake | null, proxyHops: number): string {
  if (handshake?.isProxyTrusted === true) {
    const value = handshake.headers['x-forwarded-for'];
    const list = (typeof value === 'string' ? value : (value?.join(',') ?? '')).split(',');
    const seen = bare(list[Math.max(0, list.length - proxyHops)] ?? '');
    if (seen !== '') return networkOf(seen);
  }
  return networkOf(bare(remoteAddress));
}

/** Without port, brackets, zone, and the prefix of an IPv4 address in IPv6 form. */
function bare(text: string): string {
  const trimmed = text.trim();
  const address = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed;
  const plain = address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return /^[\d.]+$|^[\da-f:.]*:[\da-f:.]*$/i.test(plain) ? plain.toLowerCase() : '';
}

/** One client has a whole /64 to itself. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
