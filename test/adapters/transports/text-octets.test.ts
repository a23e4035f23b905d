/** Strings of SockJS to octets: cut pairs, lone surrogates. */
import t from 'tap';
import fc from 'fast-check';
import { codeUnitsToOctets, TextStream } from '../../../adapters/transports/text-octets.js';

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

t.test('lone surrogates get three octets each, everything else is UTF-8', async (t) => {
  t.same(codeUnitsToOctets('é☃😀'), Buffer.from('é☃😀'));
  t.same([...codeUnitsToOctets('a\ud800b')], [0x61, 0xed, 0xa0, 0x80, 0x62]);
  t.same([...codeUnitsToOctets('\udfff\ud83d')], [0xed, 0xbf, 0xbf, 0xed, 0xa0, 0xbd]);
});
