/** SockJS escapes, held equal to sockjs-node's own. */
import { createRequire } from 'node:module';
import t from 'tap';
import fc from 'fast-check';
import { escapeJsonString } from '../../../adapters/transports/sockjs-escape.js';
import { codeUnitsToOctets } from '../../../adapters/transports/text-octets.js';

/** The peer's own, which every SockJS client has been tested against. */
const { quote } = createRequire(import.meta.url)('sockjs/lib/utils.js') as { quote: (text: string) => string };

const escaped = (text: string): string => `"${escapeJsonString(codeUnitsToOctets(text)).toString()}"`;

t.test('every code unit is escaped as sockjs-node escapes it', async (t) => {
  for (let unit = 0; unit < 0x1_0000; unit++) {
    const text = String.fromCharCode(unit);
    if (escaped(text) !== quote(text)) t.equal(escaped(text), quote(text), `U+${unit.toString(16)}`);
  }
  const all = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit)).join('');
  t.equal(JSON.parse(escaped(all)), all);
});

t.test('any text is escaped as sockjs-node escapes it', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.equal(escaped(text), quote(text));
    }),
    { numRuns: 300 },
  );
});

t.test('parts that end on a character escape to the parts of the whole', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      t.equal(escaped(a).slice(0, -1) + escaped(b).slice(1), escaped(a + b));
    }),
    { numRuns: 200 },
  );
});

t.test('octets with nothing to escape are given back uncopied', async (t) => {
  const octets = Buffer.from('plain ASCII, and é and ☃ too');
  const result = escapeJsonString(octets);
  t.same(result, octets);
  t.equal(result.buffer, octets.buffer);
});

t.test('octets that are no UTF-8 do not disturb their neighbours', async (t) => {
  const octets = Buffer.from([0x61, 0xff, 0xe2, 0x80, 0x22, 0xf0, 0x9f, 0x0a]);
  t.equal(escapeJsonString(octets).toString('latin1'), 'a\xff\xe2\x80\\"\xf0\x9f\\n');
});
