/**
 * Streams of octets for the frame parser. Held against a reference parser; alike however they are cut; bounded; what was read
 * can be written and read again; what passes for plain means the same in every version.
 */
import {
  FrameParser,
  ProtocolError,
  serializeFrame,
  STOMP_VERSIONS,
  type Frame,
  type FrameLimits,
  type RawFrame,
  type StompVersion,
} from '../../../protocol/index.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { readFrames, type ReadFrame } from './reference-parser.js';
import type { Target } from './target.js';

const LIMITS: FrameLimits = { maxHeaders: 5, maxHeaderLineBytes: 40, maxBodyBytes: 60 };
/** Command line, headers with their ends, blank line, body, NUL; and the piece that headers are gathered in. */
const MAX_HELD = 13 + 6 * 42 + 2 + 60 + 1 + 1_024;

const COMMANDS = [
  'SEND',
  'SEND',
  'CONNECT',
  'STOMP',
  'SUBSCRIBE',
  'ACK',
  'BEGIN',
  'DISCONNECT',
  'MESSAGE',
  'send',
  '',
] as const;
const NAMES = [
  'destination',
  'content-length',
  'receipt',
  'id',
  '__proto__',
  'a\\nb',
  'x',
  '',
  'é',
  'constructor',
] as const;
const VALUES = [
  '/topic/a',
  '3',
  '0',
  '60',
  '61',
  '-1',
  '1e3',
  'a\\cb',
  '\\',
  '\\t',
  'a:b',
  ' ',
  '',
  'é',
  '🐎',
  'x'.repeat(41),
] as const;
const BODIES = ['', 'abc', 'a\nb', 'x'.repeat(60), 'x'.repeat(61), '\0', 'SEND\n\n'] as const;
const ENDS = ['\n', '\n', '\n', '\r\n', '\r', ''] as const;
const BETWEEN = ['', '', '\n', '\r\n', '\0', '\r', ' '] as const;

/** Names that the server reads, strips or sets itself: none of them may leave in octets of the sender. */
const NOT_RELAYED = new Set(
  (
    'ack expires receipt selector reply-to priority persistent message-id expiration JMSXUserID message-key transaction ' +
    'redelivered subscription x-message-ttl AMQ_SCHEDULED_TIME AMQ_SCHEDULED_CRON AMQ_SCHEDULED_DELAY simpOrigDestination ' +
    'AMQ_SCHEDULED_PERIOD AMQ_SCHEDULED_REPEAT'
  ).split(' '),
);

export const frameParser: Target = {
  name: 'frame parser',
  covers: ['protocol/'],
  separator: 0,
  maxBytes: 600,
  words: [...COMMANDS, ...NAMES, ...VALUES, 'content-length:', '\r\n', '\n\n', '\0', ...NOT_RELAYED],
  generate: (random) => Buffer.concat([Buffer.from([random.between(0, 255)]), frames(random)]),
  run(input) {
    const form = input[0] ?? 0;
    check(input.subarray(1), STOMP_VERSIONS[form % 3] ?? '1.2', form);
  },
};

function frames(random: SeededRandom): Buffer {
  let text = '';
  for (let count = random.between(1, 3); count > 0; count--) {
    text += random.pick(COMMANDS) + random.pick(ENDS);
    for (let k = random.between(0, 4); k > 0; k--) {
      text += `${random.pick(NAMES)}${random.chance(0.95) ? ':' : ''}${random.pick(VALUES)}${random.pick(ENDS)}`;
    }
    text += `${random.pick(ENDS)}${random.pick(BODIES)}${random.chance(0.9) ? '\0' : ''}${random.pick(BETWEEN)}`;
  }
  return Buffer.from(text);
}

function check(octets: Buffer, version: StompVersion, form: number): void {
  const whole = read([octets], version);
  const cuts = form & 1 ? [...octets].map((_, at) => octets.subarray(at, at + 1)) : inThree(octets, form);
  same('cut', whole, read(cuts, version), octets);
  const wanted = readFrames(octets, LIMITS, () => version);
  const written = wanted.frames.map((frame) => show(frame));
  same('reference', whole, [...written, ...(wanted.end === 'refused' ? ['refused'] : [])], octets);
  for (const frame of wanted.frames) again(frame);
  if ((form & 2) !== 0) {
    const message = read([octets], version, true);
    same('cut message', message, read(inThree(octets, form), version, true), octets);
  }
}

function inThree(octets: Buffer, form: number): Buffer[] {
  const [a, b] = [(form * 7) % (octets.length + 1), (form * 13) % (octets.length + 1)].sort((x, y) => x - y);
  return [octets.subarray(0, a), octets.subarray(a, b), octets.subarray(b)];
}

function same(what: string, got: readonly string[], wants: readonly string[], octets: Buffer): void {
  if (got.length === wants.length && got.every((line, k) => line === wants[k])) return;
  throw new Error(`${what}: ${JSON.stringify({ octets: octets.toString('latin1'), got, wants })}`);
}

function show({
  command,
  headers,
  body,
}: Pick<ReadFrame, 'command' | 'body'> & { headers: Iterable<unknown> }): string {
  return `${command} ${JSON.stringify([...headers])} ${body.toString('latin1')}`;
}

/** What was read, and how it ended. */
function read(chunks: readonly Buffer[], version: StompVersion, isMessage = false): string[] {
  const parser = new FrameParser({ limits: LIMITS, version, lenientNul: isMessage });
  const seen: string[] = [];
  for (const [k, chunk] of chunks.entries()) {
    try {
      const onRawFrame = (raw: RawFrame): boolean => {
        const frame = raw.decode(version);
        // A SEND on 1.0 is never relayed as it is: its values may be padded.
        if (raw.isPlain && frame.command === 'SEND' && version !== '1.0') checkPlain(raw, frame);
        seen.push(show(frame));
        return true;
      };
      parser.pushRaw(chunk, { onRawFrame }, isMessage && k === chunks.length - 1);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!/^[\x20-\x7e]{1,400}$/.test(error.message)) throw new Error(`unfit for a header: ${error.message}`);
      // Of two faults in a frame the cut decides which is met first.
      seen.push('refused');
      break;
    }
    if (parser.heldBytes > MAX_HELD) throw new Error(`${parser.heldBytes} octets held`);
  }
  return seen;
}

/** Its octets, as the tail of a MESSAGE, say in each version what the strict reading of the SEND says. */
function checkPlain(raw: RawFrame, sent: Frame): void {
  const tail = Buffer.from(raw.buffer.subarray(raw.headersStart, raw.end));
  for (const version of STOMP_VERSIONS) {
    const got: Frame[] = [];
    new FrameParser({ sender: 'server', version }).push(Buffer.concat([Buffer.from('MESSAGE\n'), tail]), (frame) => {
      got.push(frame);
    });
    const wants = [...sent.headers].map(([name, value]) => [name, version === '1.0' ? value.trim() : value]);
    const [frame] = got;
    if (
      got.length !== 1 ||
      frame === undefined ||
      show(frame) !== show({ command: 'MESSAGE', headers: wants, body: sent.body })
    )
      throw new Error(`plain, read on ${version}: ${JSON.stringify(got)}, wants ${JSON.stringify(wants)}`);
  }
  for (const [name] of sent.headers) if (NOT_RELAYED.has(name)) throw new Error(`plain with ${name}`);
}

/** Written on a version that has a word for all of it, and read again. */
function again({ command, headers, body }: ReadFrame): void {
  const isPlain = command === 'CONNECT' || command === 'STOMP';
  const said = headers.filter(([name]) => name !== 'content-length');
  const counted = command === 'SEND' ? [['content-length', String(body.length)] as const] : [];
  const hasCr = said.some((pair) => pair.some((text) => text.includes('\r')));
  for (const version of hasCr ? (['1.2'] as const) : (['1.1', '1.2'] as const)) {
    const octets = serializeFrame(command as 'SEND', [...said, ...counted], version, body);
    const got: Frame[] = [];
    new FrameParser({ version }).push(octets, (frame) => {
      got.push(frame);
    });
    const wants = show({ command, headers: [...said, ...counted], body });
    if (got.length !== 1 || got[0] === undefined || show(got[0]) !== wants)
      throw new Error(`written on ${version}: ${JSON.stringify(got)}, wants ${wants}${isPlain ? ' unescaped' : ''}`);
  }
}
