import t from 'tap';
import fc from 'fast-check';
import { codeUnitsToOctets, octetsToText, TextStream } from '../../../adapters/transports/text-octets.js';

t.test('a surrogate pair cut between two strings is joined', async (t) => {
  const stream = new TextStream();
  t.equal(stream.push('a\ud83d').toString(), 'a');
  t.equal(stream.push('\ude00b').toString(), '😀b');
});

t.test('a lone surrogate becomes the replacement character', async (t) => {
  const stream = new TextStream();
  t.equal(stream.push('a\ude00b').toString(), 'a\ufffdb');
  t.equal(stream.push('\ud83d').toString(), '');
  t.equal(stream.push('c').toString(), '\ufffdc');
});

t.test('text cut anywhere gives the octets of the whole', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(40)), (text, cuts) => {
      const stream = new TextStream();
      const places = [...new Set([0, ...cuts.filter((cut) => cut < text.length), text.length])].sort((a, b) => a - b);
      const parts = places.slice(1).map((end, k) => stream.push(text.slice(places[k], end)));
      t.same(Buffer.concat(parts), Buffer.from(text));
    }),
    { numRuns: 300 },
  );
});

t.test('code units survive the way to octets and back', async (t) => {
  const all = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit)).join('');
  t.equal(octetsToText(codeUnitsToOctets(all)), all);
  for (const text of ['', 'plain', '\ud800', 'x\udfff', '\udc00\ud800', '😀\ud83d', '\ufeff']) {
    t.equal(octetsToText(codeUnitsToOctets(text)), text, JSON.stringify(text));
  }
});

t.test('octets that are neither become replacement characters', async (t) => {
  t.equal(octetsToText(Buffer.from([0x61, 0xff, 0xed, 0x41])), 'a\ufffd\ufffdA');
});
