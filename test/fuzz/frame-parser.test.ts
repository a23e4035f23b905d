// Streams of frames, random and damaged, against the parser. Runs and seed: test/helpers/properties.ts.
import fc from 'fast-check';
import t from 'tap';
import {
  FrameParser,
  ProtocolError,
  serializeFrame,
  STOMP_VERSIONS,
  type FrameLimits,
  type StompVersion,
} from '../../protocol/index.js';
import { check } from '../helpers/properties.js';

interface Sent {
  readonly command: 'SEND' | 'SUBSCRIBE' | 'ACK' | 'CONNECT' | 'DISCONNECT';
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly counted: boolean;
  /** What stands between this frame and the next. */
  readonly between: string;
}

const TEXT = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('\\', ':', '\n', '\r', 'n', 'c', 'é', ' '), maxLength: 8 }),
);
const NAME = fc.oneof(
  TEXT.filter((text) => text !== ''),
  fc.constantFrom('destination', 'receipt', 'x', '__proto__'),
);
const SENT: fc.Arbitrary<Sent> = fc
  .record({
    command: fc.constantFrom('SEND', 'SEND', 'SEND', 'SUBSCRIBE', 'ACK', 'CONNECT', 'DISCONNECT'),
    headers: fc.array(fc.tuple(NAME, TEXT), { maxLength: 6 }),
    body: fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets)),
    counted: fc.boolean(),
    between: fc.constantFrom('', '', '\n', '\r\n', '\n\n', '\0', '\n\0\r\n'),
  })
  .map((sent) => ({ ...sent, command: sent.command }));

/** What of `sent` can be said in `version`, and what a reader of that version is to see. */
function sayable({ command, headers, body, counted, between }: Sent, version: StompVersion): Sent {
  const isPlain = command === 'CONNECT' || version === '1.0';
  const clean = (text: string, isName: boolean): string => {
    let said = text.replaceAll('\0', '');
    if (isPlain) said = said.replace(isName ? /[\n\r:]/g : /[\n\r]/g, '');
    // 1.1 has no escape for CR: at the end of a line it would be taken for the line's.
    if (version === '1.1') said = said.replaceAll('\r', '');
    return said;
  };
  const said = headers
    .map(([name, value]) => [clean(name, true), clean(value, false)] as const)
    .filter(([name]) => name !== '' && name !== 'content-length');
  const hasBody = command === 'SEND';
  const octets = hasBody ? (counted ? body : Buffer.from(body.filter((octet) => octet !== 0))) : Buffer.alloc(0);
  const length = hasBody && counted ? [['content-length', String(octets.length)] as const] : [];
  return { command, headers: [...length, ...said], body: octets, counted, between };
}

/** Chunks of `octets`, cut at `cuts`. */
function cut(octets: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (octets.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, k) => octets.subarray(start, places[k] ?? octets.length));
}

t.test('any frames, encoded and cut anywhere, decode to the same frames in each version', async (t) => {
  for (const version of STOMP_VERSIONS) {
    const property = fc.property(
      fc.array(SENT, { maxLength: 6 }),
      fc.array(fc.nat(2_000), { maxLength: 12 }),
      fc.boolean(),
      (list, cuts, stops) => {
        const sent = list.map((frame) => sayable(frame, version));
        const octets = Buffer.concat(
          sent.flatMap(({ command, headers, body, between }) => [
            serializeFrame(command, headers, version, body),
            Buffer.from(between),
          ]),
        );
        const read: unknown[] = [];
        const parser = new FrameParser({ version });
        for (const chunk of cut(octets, cuts)) {
          for (let rest = chunk, consumed = -1; consumed !== rest.length;) {
            if (consumed > 0) rest = rest.subarray(consumed);
            consumed = parser.pushRaw(rest, {
              onRawFrame(raw) {
                const { command, headers, body } = raw.decode(version);
                read.push([command, [...headers], body.toString('latin1')]);
                return !stops;
              },
            });
          }
        }
        const wanted = sent.map(({ command, headers, body }) => [
          command,
          headers.map(([name, value]) => [name, version === '1.0' && command !== 'CONNECT' ? value.trim() : value]),
          body.toString('latin1'),
        ]);
        if (JSON.stringify(read) !== JSON.stringify(wanted)) {
          throw new Error(`got ${JSON.stringify(read)}, wants ${JSON.stringify(wanted)}`);
        }
        if (parser.heldBytes !== 0) throw new Error(`${parser.heldBytes} octets held for nothing`);
      },
    );
    check(t, property, 250);
  }
});

const LIMITS: FrameLimits = { maxHeaders: 4, maxHeaderLineBytes: 30, maxBodyBytes: 50 };
/** Command line, headers with their ends, blank line, body, NUL; and the piece that headers are gathered in. */
const MAX_HELD = 13 + 5 * 32 + 2 + 50 + 1 + 1_024;

/** Feeds chunks until the parser refuses; anything but a ProtocolError is a fault of the parser. */
function survive(chunks: readonly Buffer[], version: StompVersion, endsMessage: boolean): void {
  const parser = new FrameParser({ limits: LIMITS, version, lenientNul: endsMessage });
  for (const chunk of chunks) {
    try {
      parser.push(
        chunk,
        ({ headers, body }) => {
          if (headers.size > LIMITS.maxHeaders) throw new Error('too many headers came through');
          if (body.length > LIMITS.maxBodyBytes) throw new Error('too long a body came through');
        },
        endsMessage,
      );
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!/^[\x20-\x7e]{1,400}$/.test(error.message)) throw new Error(`unfit for a header: ${error.message}`);
      return;
    }
    if (parser.heldBytes > MAX_HELD) throw new Error(`${parser.heldBytes} octets held`);
  }
}

const PIECES = fc.constantFrom(
  'SEND\n',
  'SEND\r\n',
  'CONNECT\n',
  'SUBSCRIBE\n',
  'a:b\n',
  'content-length:',
  '3',
  '99',
  '9999999999',
  ':',
  '\n',
  '\n\n',
  '\r',
  '\r\n',
  '\0',
  '\\n',
  '\\x',
  'destination:/topic/a\n',
  'abc',
  'x'.repeat(40),
);

t.test('grammar in the wrong order is refused or read, never more', async (t) => {
  const property = fc.property(
    fc.array(fc.oneof({ weight: 6, arbitrary: PIECES }, fc.string({ unit: 'binary', maxLength: 5 })), {
      maxLength: 25,
    }),
    fc.array(fc.nat(300), { maxLength: 8 }),
    fc.constantFrom(...STOMP_VERSIONS),
    fc.boolean(),
    (pieces, cuts, version, endsMessage) => {
      survive(cut(Buffer.from(pieces.join('')), cuts), version, endsMessage);
    },
  );
  check(t, property, 800);
});

t.test('random octets are refused or read, never more', async (t) => {
  const property = fc.property(
    fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }),
    fc.constantFrom(...STOMP_VERSIONS),
    fc.boolean(),
    (chunks, version, endsMessage) => {
      survive(
        chunks.map((chunk) => Buffer.from(chunk)),
        version,
        endsMessage,
      );
    },
  );
  check(t, property, 1_000);
});

t.test('valid streams with octets changed, cut out or doubled are refused or read, never more', async (t) => {
  const damage = fc.record({
    at: fc.nat(2_000),
    kind: fc.constantFrom('change', 'drop', 'double', 'insert'),
    octet: fc.oneof(fc.constantFrom(0, 10, 13, 58, 92), fc.nat(255)),
    length: fc.integer({ min: 1, max: 40 }),
  });
  const property = fc.property(
    fc.array(SENT, { minLength: 1, maxLength: 4 }),
    fc.array(damage, { minLength: 1, maxLength: 4 }),
    fc.array(fc.nat(2_000), { maxLength: 5 }),
    fc.constantFrom(...STOMP_VERSIONS),
    fc.boolean(),
    (list, damages, cuts, version, endsMessage) => {
      let octets = Buffer.concat(
        list.map((frame) => {
          const { command, headers, body } = sayable(frame, version);
          return serializeFrame(command, headers, version, body);
        }),
      );
      for (const { at, kind, octet, length } of damages) {
        const place = at % (octets.length + 1);
        const end = kind === 'insert' || kind === 'double' ? place : Math.min(octets.length, place + length);
        const middle = {
          change: Buffer.alloc(end - place, octet),
          drop: Buffer.alloc(0),
          double: octets.subarray(place, place + length),
          insert: Buffer.from([octet]),
        }[kind as 'change'];
        octets = Buffer.concat([octets.subarray(0, place), middle, octets.subarray(end)]);
      }
      survive(cut(octets, cuts), version, endsMessage);
    },
  );
  check(t, property, 800);
});

t.test('whether a damaged stream is refused does not depend on where it is cut', async (t) => {
  const outcome = (chunks: readonly Buffer[]): string => {
    const parser = new FrameParser({ limits: LIMITS });
    const read: string[] = [];
    try {
      for (const chunk of chunks) {
        parser.push(chunk, ({ command, headers, body }) =>
          read.push(JSON.stringify([command, [...headers], body.toString('latin1')])),
        );
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      read.push('refused');
    }
    return read.join('\n');
  };
  const property = fc.property(
    fc.array(PIECES, { maxLength: 25 }),
    fc.array(fc.nat(300), { maxLength: 8 }),
    (pieces, cuts) => {
      const octets = Buffer.from(pieces.join(''));
      const whole = outcome([octets]);
      const inPieces = outcome(cut(octets, cuts));
      // A fault may be seen before the octets that make another fault, so only that there is one counts.
      if (whole !== inPieces) throw new Error(`whole: ${whole}\nin pieces: ${inPieces}`);
    },
  );
  check(t, property, 800);
});
