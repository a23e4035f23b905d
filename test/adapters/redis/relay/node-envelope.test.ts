import fc from 'fast-check';
import t from 'tap';
import { decodeEnvelope, encodeEnvelope, isEnvelopeOf } from '../../../../adapters/redis/relay/node-envelope.js';
import { check } from '../../../helpers/properties.js';

const NODE = Buffer.from('01234567');

t.test('what is written is what is read', async (t) => {
  const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const all = [fc.nat({ max: 0xffff_ffff }), fc.string({ unit: 'grapheme' }), fc.array(octets)] as const;
  check(
    t,
    fc.property(...all, (number, destination, messages) => {
      const read = decodeEnvelope(encodeEnvelope({ node: NODE, number, destination, messages }));
      if (read.number !== number || read.destination !== destination) throw new Error('another place');
      if (!read.node.equals(NODE)) throw new Error('another node');
      if (read.messages.length !== messages.length) throw new Error('another number of messages');
      for (const [k, message] of messages.entries()) {
        if (read.messages[k]?.equals(message) !== true) throw new Error(`message ${k}`);
      }
    }),
    300,
  );
});

t.test('an envelope of another version, or one that is cut, is refused', async (t) => {
  const octets = encodeEnvelope({ node: NODE, number: 7, destination: '/topic/x', messages: [Buffer.from('abc')] });
  t.throws(() => decodeEnvelope(Buffer.concat([Buffer.from([2]), octets.subarray(1)])), /version 2, this node reads 1/);
  const start = 1 + 8 + 4 + 2 + '/topic/x'.length;
  for (let end = 0; end < octets.length; end++) {
    if (end !== start) t.throws(() => decodeEnvelope(octets.subarray(0, end)), RangeError, `cut at ${end}`);
  }
});

t.test('whose it is can be told without reading it', async (t) => {
  const octets = encodeEnvelope({ node: NODE, number: 7, destination: '/topic/x', messages: [] });
  t.ok(isEnvelopeOf(octets, NODE));
  t.notOk(isEnvelopeOf(octets, Buffer.from('01234568')));
  t.notOk(isEnvelopeOf(octets.subarray(0, 5), NODE));
});
