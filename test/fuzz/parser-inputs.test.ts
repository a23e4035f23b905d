// The parser, fed with frames by the grammar, damaged, cut anywhere: it refuses or reads, within bounds, alike however cut.
import t from 'tap';
import {
  FrameParser,
  ProtocolError,
  STOMP_VERSIONS,
  type FrameLimits,
  type StompVersion,
} from '../../protocol/index.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { damage, fuzz } from './fuzz-run.js';

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

function frames(random: SeededRandom): Buffer {
  let text = '';
  for (let count = random.between(1, 3); count > 0; count--) {
    text += random.pick(COMMANDS) + random.pick(ENDS);
    for (let k = random.between(0, 4); k > 0; k--) {
      text += `${random.pick(NAMES)}${random.chance(0.95) ? ':' : ''}${random.pick(VALUES)}${random.pick(ENDS)}`;
    }
    text += `${random.pick(ENDS)}${random.pick(BODIES)}${random.chance(0.9) ? '\0' : ''}${random.pick(BETWEEN)}`;
  }
  const octets = Buffer.from(text);
  return random.chance(0.6) ? damage(random, octets) : octets;
}

/** What was read, and how it ended. */
function read(chunks: readonly Buffer[], version: StompVersion, lenientNul: boolean): string {
  const parser = new FrameParser({ limits: LIMITS, version, lenientNul });
  const seen: string[] = [];
  for (const chunk of chunks) {
    try {
      parser.push(chunk, ({ command, headers, body }) => {
        if (headers.size > LIMITS.maxHeaders) throw new Error('too many headers came through');
        if (body.length > LIMITS.maxBodyBytes) throw new Error('too long a body came through');
        seen.push(`${command} ${JSON.stringify([...headers])} ${body.toString('latin1')}`);
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!/^[\x20-\x7e]{1,400}$/.test(error.message)) throw new Error(`unfit for a header: ${error.message}`);
      // Of two faults in a frame the cut decides which is met first.
      seen.push('refused');
      break;
    }
    if (parser.heldBytes > MAX_HELD) throw new Error(`${parser.heldBytes} octets held`);
  }
  return seen.join('\n');
}

t.test('any octets are read or refused', async (t) => {
  await fuzz(t, 'frame parser', 20_000, (random) => {
    const octets = frames(random);
    const version = random.pick(STOMP_VERSIONS as unknown as readonly [StompVersion, ...StompVersion[]]);
    const whole = read([octets], version, false);
    const place = random.between(0, octets.length);
    const cut = read([octets.subarray(0, place), octets.subarray(place)], version, false);
    if (cut !== whole)
      throw new Error(`cut at ${place}, ${version}: ${JSON.stringify([octets.toString('latin1'), whole, cut])}`);
  });
});
