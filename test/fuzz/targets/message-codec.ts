/** Octets as a store gave them back: a whole message, or an error; a whole one is written as it was read. */
import { decodeMessage, decodeForeign, encodeMessage } from '../../../broker/storage/message-codec.js';
import { Message } from '../../../broker/message.js';
import { Headers } from '../../../protocol/index.js';
import { packMessages, packOperations, unpackMessages, unpackOperations } from '../../../adapters/stores/packed.js';
import type { Target } from './target.js';

const NAMES = ['destination', 'content-type', 'x', '__proto__', 'é'] as const;

export const messageCodec: Target = {
  name: 'stored messages',
  covers: ['broker/storage/message-codec.js', 'broker/message.js', 'adapters/stores/packed.js'],
  separator: null,
  maxBytes: 400,
  words: [
    '[["',
    '"],["',
    '"]]',
    'content-length:',
    '\n\n',
    '\0',
    'destination',
    '\x01',
    '\x02',
    '[]',
    'null',
    '\n',
    'x:1\n',
  ],
  generate(random) {
    const body = Buffer.from('x'.repeat(random.between(0, 20)));
    if (random.chance(0.5)) {
      const tail = Buffer.from(
        `\ndestination:/queue/a\n${random.chance(0.5) ? `content-length:${body.length}\n` : ''}\n${body.toString()}\0`,
      );
      return encodeMessage(Message.fromTail(random.between(0, 1e9), tail, body.length, true));
    }
    const headers = Array.from(
      { length: random.between(0, 4) },
      () => [random.pick(NAMES), random.pick(['', 'v', 'é\n:'])] as const,
    );
    return encodeMessage(Message.fromRelayed(random.between(0, 1e9), new Headers(headers), body, true));
  },
  run(input) {
    const own = attempt(() => decodeMessage(Buffer.from(input)));
    const foreign = attempt(() => decodeForeign(1, Buffer.from(input)));
    if ((own === null) !== (foreign === null)) throw new Error('one takes it, the other does not');
    if (own === null) return;
    const again = encodeMessage(own);
    if (!again.equals(input) && !encodeMessage(decodeMessage(Buffer.from(again))).equals(again))
      throw new Error(`written otherwise: ${again.toString('latin1')}`);
    checkPacked(input);
  },
};

/** Only what says that the octets are not what was written. */
function attempt(decode: () => Message): Message | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function checkPacked(octets: Buffer): void {
  const numbers = { sequence: 7, priority: 4, weightBytes: octets.length, publishedEpochMs: 1, expiresEpochMs: 0 };
  const message = { ...numbers, notBeforeEpochMs: 0, deliveryCount: octets.length % 5, octets: Buffer.from(octets) };
  const [got] = unpackMessages(packMessages([message, message]));
  if (got === undefined || !Buffer.from(got.octets).equals(octets) || got.deliveryCount !== message.deliveryCount)
    throw new Error('a packed message is another one');
  const name = octets.toString('latin1');
  const [operation] = unpackOperations(
    packOperations([
      { kind: 'append', stream: name, message },
      { kind: 'drop', stream: name },
    ]),
  );
  if (operation?.kind !== 'append' || operation.stream !== name) throw new Error('a packed operation is another one');
}
