import fc from 'fast-check';
import t from 'tap';
import { Headers, type StompVersion } from '../../../protocol/index.js';
import { Message } from '../../../broker/message.js';
import { decodeMessage, encodeMessage } from '../../../broker/storage/message-codec.js';

const VERSIONS: readonly StompVersion[] = ['1.0', '1.1', '1.2'];

function tailOf(message: Message, version: StompVersion): string {
  return message.tail(version, null).toString('latin1');
}

t.test('a message comes back as it was, in every version', async (t) => {
  const header = fc.tuple(fc.string({ minLength: 1 }), fc.string());
  const property = fc.property(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.array(header),
    fc.uint8Array(),
    (id, list, body) => {
      const named: [string, string][] = [['destination', '/queue/ü'], ...list];
      const message = Message.fromHeaders(id, new Headers(named), Buffer.from(body));
      const back = decodeMessage(encodeMessage(message));
      return (
        back.id === id &&
        back.idDigits === message.idDigits &&
        back.weightBytes === message.weightBytes &&
        back.isText === message.isText &&
        back.isOwned &&
        VERSIONS.every((version) => tailOf(back, version) === tailOf(message, version))
      );
    },
  );
  fc.assert(property);
  t.pass();
});

t.test('a plain tail stays octets: nothing is decoded', async (t) => {
  const tail = Buffer.from('\ndestination:/queue/a\ncontent-length:3\n\na\0b\0', 'latin1');
  const back = decodeMessage(encodeMessage(Message.fromTail(7, tail, 3)));
  t.equal(back.decodedHeaders, null);
  t.equal(tailOf(back, '1.1'), tail.toString('latin1'));
  t.strictSame(back.decode().body, Buffer.from('a\0b'));
  t.equal(back.id, 7);
});

t.test('octets of another form are refused', async (t) => {
  const octets = encodeMessage(Message.fromTail(7, Buffer.from('\n\n\0'), 0));
  octets[0] = 9;
  t.throws(() => decodeMessage(octets), { message: 'a stored message of form 9' });
  t.throws(() => decodeMessage(Buffer.alloc(3)), RangeError);
});

t.test('octets that were cut short, or changed, are refused where that can be seen', async (t) => {
  const plain = encodeMessage(Message.fromTail(7, Buffer.from('\nx:1\n\nbody\0'), 4));
  const headers = encodeMessage(
    Message.fromHeaders(7, new Headers([['destination', '/queue/a']]), Buffer.from('body')),
  );
  for (const whole of [plain, headers]) {
    for (let length = 0; length < whole.length; length++) {
      const cut = Buffer.from(whole.subarray(0, length));
      // A plain tail has its headers as octets: cut in them, it is another one.
      if (whole === headers || length < 20) t.throws(() => decodeMessage(cut), Error, `${length} octets`);
    }
  }
  for (const text of ['{"a":"b"}', '[["a"]]', '[["a",1]]', '[["a","b","c"]]', '[1]', 'null', '[[', '"ab"']) {
    const octets = Buffer.alloc(17 + text.length);
    octets[0] = 2;
    octets.writeUInt32BE(text.length, 13);
    octets.write(text, 17);
    t.throws(() => decodeMessage(octets), text === '[[' ? SyntaxError : RangeError, text);
  }
});
