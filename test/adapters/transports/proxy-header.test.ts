/** PROXY headers of both versions, cut everywhere. */
import t from 'tap';
import { ProxyHeaderError, readProxyHeader } from '../../../adapters/transports/proxy-header.js';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** Version 2: command, family, and what follows the length. */
export function octetsOf(command: number, family: number, rest: readonly number[]): Buffer {
  return Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    Buffer.from([command, family, rest.length >> 8, rest.length & 255]),
    Buffer.from(rest),
  ]);
}

const V4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0xf0, 0xad];
const V6 = [...Buffer.from(`20010db8${'00'.repeat(11)}07${'01'.repeat(16)}00010002`, 'hex')];

const HEADERS: readonly (readonly [Buffer, string | null])[] = [
  [Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 12345 61613\r\n'), '192.0.2.7'],
  [Buffer.from('PROXY TCP6 2001:db8::7 ::1 0 65535\r\n'), '2001:db8::7'],
  [Buffer.from('PROXY UNKNOWN\r\n'), null],
  [Buffer.from('PROXY UNKNOWN ff:: ff:: 1 2\r\n'), null],
  [octetsOf(0x21, 0x11, V4), '192.0.2.7'],
  [octetsOf(0x21, 0x11, [...V4, 4, 0, 1, 0]), '192.0.2.7'],
  [octetsOf(0x21, 0x21, V6), '2001:db8::7'],
  [octetsOf(0x20, 0x11, V4), null],
  [octetsOf(0x20, 0, []), null],
  [octetsOf(0x21, 0x31, Array<number>(216).fill(0)), null],
  [octetsOf(0x21, 0, [1, 2, 3]), null],
];

t.test('each header is read, wherever it is cut, and ends where it ends', async (t) => {
  for (const [header, remoteAddress] of HEADERS) {
    for (let k = 0; k < header.length; k++) t.equal(readProxyHeader(header.subarray(0, k)), null, String(k));
    const read = { remoteAddress, length: header.length };
    t.strictSame(readProxyHeader(header), read);
    t.strictSame(
      readProxyHeader(Buffer.concat([header, Buffer.from('CONNECT\n')])),
      read,
      'the client comes behind it',
    );
  }
});

t.test('what cannot become a header is refused as soon as that is clear', async (t) => {
  for (const text of [
    'C',
    'PROXX',
    'PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n',
    'PROXY TCP4 2001:db8::7 ::1 1 2\r\n',
    'PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n',
    'PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n',
    'PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n',
    'PROXY UNKNOWN',
    `${SIGNATURE}\x31`,
    `${SIGNATURE}\x22`,
    `${SIGNATURE}\x21\x11\xff\xff`,
  ]) {
    const octets = Buffer.from(text === 'PROXY UNKNOWN' ? text.padEnd(107, ' x') : text, 'latin1');
    t.throws(() => readProxyHeader(octets), ProxyHeaderError, JSON.stringify(text));
  }
  t.throws(() => readProxyHeader(octetsOf(0x21, 0x11, V4.slice(1))), /too short/);
  t.throws(() => readProxyHeader(octetsOf(0x21, 0x21, V4)), /too short/);
});
