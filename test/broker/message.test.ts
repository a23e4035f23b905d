import t from 'tap';
import { Message } from '../../broker/message.js';
import { FrameParser, type RawFrame, type StompVersion } from '../../protocol/index.js';
import { header, readServerFrames } from '../helpers/server-frames.js';

/** The message that a SEND becomes, on the path it takes. */
function messageOf(octets: Buffer | string): { message: Message; isPlain: boolean; chunk: Buffer } {
  const chunk = Buffer.from(octets);
  const made: { message: Message; isPlain: boolean }[] = [];
  new FrameParser().pushRaw(chunk, {
    onRawFrame(raw: RawFrame) {
      const { isPlain } = raw;
      const strict = () => {
        const { headers, body } = raw.decode('1.2');
        return Message.fromHeaders(1, headers, body);
      };
      made.push({ isPlain, message: isPlain ? Message.fromPlain(1, raw) : strict() });
      return true;
    },
  });
  const [first] = made;
  if (first === undefined) throw new Error('no frame');
  return { ...first, chunk };
}

const VERSIONS: readonly StompVersion[] = ['1.0', '1.1', '1.2'];

function frameOf(message: Message, version: StompVersion = '1.2') {
  const [frame] = readServerFrames(
    Buffer.concat([Buffer.from('MESSAGE\nmessage-id:1'), message.tail(version, null)]),
    version,
  ).frames;
  if (frame === undefined) throw new Error('no frame');
  return frame;
}

t.test('S-23 a MESSAGE has content-length, also when SEND had none', async (t) => {
  for (const text of ['SEND\ndestination:/a\n\nhé\0', 'SEND\ndestination:/a\nreceipt:1\n\nhé\0']) {
    const frame = frameOf(messageOf(text).message);
    t.equal(header(frame, 'content-length'), '3');
    t.equal(frame.body.toString(), 'hé');
  }
});

t.test(
  'S-20 S-21 what the server says or keeps is not relayed; order is kept, first of a repeated name first',
  async (t) => {
    const text =
      'SEND\nz:1\nreceipt:r\ndestination:/a\ntransaction:t\nsubscription:x\nmessage-id:m\nack:a\nredelivered:true\n' +
      'simpOrigDestination:/user\ncontent-type:a\nb:1\nb:2\ncontent-type:c\ndestination:/b\n\nx\0';
    const { message, isPlain } = messageOf(text);
    t.notOk(isPlain);
    t.strictSame(frameOf(message).headers, [
      ['message-id', '1'],
      ['z', '1'],
      ['destination', '/a'],
      ['content-type', 'a'],
      ['b', '1'],
      ['b', '2'],
      ['content-length', '1'],
    ]);
  },
);

t.test('a plain message is not copied until it has to outlive its turn', async (t) => {
  const { message, chunk } = messageOf('SEND\ndestination:/a\ncontent-length:2\n\nhi\0');
  t.equal(message.octets.buffer, chunk.buffer);
  t.notOk(message.isOwned);
  const weight = message.weightBytes;
  t.equal(message.own(), message);
  t.ok(message.isOwned);
  chunk.fill(0x21);
  t.equal(frameOf(message).body.toString(), 'hi');
  t.equal(message.weightBytes, weight, 'the weight stays');
});

t.test('a decoded message builds one tail for each version and keeps it', async (t) => {
  const { message } = messageOf('SEND\ndestination:/a\nx:a\\cb\n\nhi\0');
  t.equal(message.tail('1.2', null), message.tail('1.2', null));
  t.not(message.tail('1.2', null), message.tail('1.0', null));
  t.equal(header(frameOf(message, '1.2'), 'x'), 'a:b');
  t.match(message.tail('1.0', null).toString(), /\nx:a:b\n/);
});

t.test('the weight counts header octets, however few the lines', async (t) => {
  const { message } = messageOf(`SEND\ndestination:/a\nreceipt:1\nlong:${'x'.repeat(10_000)}\n\nhi\0`);
  t.ok(message.weightBytes > 10_000, `${message.weightBytes}`);
});

t.test('text and binary bodies are told apart', async (t) => {
  const binary = Buffer.concat([
    Buffer.from('SEND\ndestination:/ä\ncontent-length:2\n\n'),
    Buffer.from([0xff, 0xfe, 0]),
  ]);
  t.notOk(messageOf(binary).message.isText);
  t.ok(messageOf('SEND\ndestination:/a\n\nhé\0').message.isText);
  t.ok(messageOf('SEND\ndestination:/a\n\n\0').message.isText);
});

t.test('K-29 on a character stream stray octets become U+FFFD and content-length counts what is sent', async (t) => {
  const encode = (octets: Uint8Array): Buffer => Buffer.from(octets);
  for (const more of ['', 'receipt:r\n']) {
    const octets = Buffer.concat([
      Buffer.from(`SEND\ndestination:/a\n${more}content-length:3\n\n`),
      Buffer.from([0x61, 0xff, 0x62, 0]),
    ]);
    const { message } = messageOf(octets);
    const sent = message.tail('1.2', encode);
    const [frame] = readServerFrames(Buffer.concat([Buffer.from('MESSAGE\nmessage-id:1'), sent])).frames;
    t.equal(frame?.body.toString(), 'a\ufffdb');
    t.equal(header(frame, 'content-length'), '5');
    t.equal(frame?.headers.filter(([name]) => name === 'content-length').length, 1);
    t.equal(message.tail('1.2', encode), message.tail('1.2', encode), 'encoded once');
  }
});

t.test('a message with its place in a history says the same beside it, in octets of its own', async (t) => {
  for (const [more, isPlain] of [
    ['', true],
    ['content-length:4\n', true],
    ['receipt:r\n', false],
    ['esc:a\\cb\n', false],
  ] as const) {
    const { message, chunk, ...made } = messageOf(`SEND\ndestination:/topic/a\nx:1\n${more}\nhé!\0`);
    t.equal(made.isPlain, isPlain);
    const before = VERSIONS.map((version) => frameOf(message, version));
    const stamped = message.stamped('aB-_9', 12);
    t.ok(stamped.isOwned);
    t.equal(stamped.id, message.id);
    chunk.fill(0x2a);
    for (const [k, version] of VERSIONS.entries()) {
      const frame = frameOf(stamped, version);
      t.equal(header(frame, 'epoch'), 'aB-_9');
      t.equal(header(frame, 'offset'), '12');
      const rest = frame.headers.filter(([name]) => name !== 'epoch' && name !== 'offset');
      t.strictSame(rest.sort(), [...(before[k]?.headers ?? [])].sort(), `${more}${version}`);
      t.equal(frame.body.toString(), 'hé!');
    }
    t.equal(stamped.headerMap().get('offset'), '12', 'selectors see it');
    t.equal(header(frameOf(stamped.stamped('other', 1)), 'epoch'), 'other', 'a second place takes the first one over');
    t.equal(stamped.stamped('other', 1).headerMap().get('epoch'), 'other');
  }
});

t.test('what only a history may say is taken out of what a sender said', async (t) => {
  const forged = 'epoch:e\noffset:1\nrecovered:true\noffset:2\n';
  for (const more of ['', 'receipt:r\n']) {
    const { message } = messageOf(`SEND\ndestination:/a\n${forged}kept:1\n${more}\nbody\noffset:3\0`);
    for (const [cleaned, places] of [
      [message.unplaced(), []],
      [message.stamped('s', 7), Object.entries({ epoch: 's', offset: '7' })],
    ] as const) {
      const frame = frameOf(cleaned);
      const own = frame.headers.filter(([name]) => ['epoch', 'offset', 'recovered'].includes(name));
      t.strictSame(own, places);
      t.equal(header(frame, 'kept'), '1');
      t.equal(frame.body.toString(), 'body\noffset:3');
    }
    const { message: innocent } = messageOf(`SEND\ndestination:/a\n${more}\nbody\noffset:3\0`);
    t.equal(innocent.unplaced(), innocent, 'there is nothing to take out');
  }
});
