/** The fast lane beside `ws` alone: whatever a client sends, and however it is cut, both are to do the same. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { WebSocketServer, type WebSocket } from 'ws';
import { WebSocketReader } from '../../../adapters/transports/websocket-reader.js';
import { checkAsync } from '../../helpers/properties.js';
import { encodeFrame, type RawFrameSpec } from '../../helpers/raw-websocket.js';
import { settle } from '../../helpers/settle.js';

const MAX_MESSAGE_BYTES = 1_000;

/** A socket whose other end is the test. */
class ScriptedSocket extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {
    // Pushed by the test.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

interface Outcome {
  readonly messages: (readonly [string, boolean])[];
  readonly errors: string[];
  readonly written: string;
  readonly readyState: number;
  readonly isDestroyed: boolean;
}

function openWebSocket(socket: ScriptedSocket, head: Buffer): WebSocket {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, clientTracking: false });
  const headers = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
    'sec-websocket-version': '13',
  };
  const opened: WebSocket[] = [];
  server.handleUpgrade({ method: 'GET', url: '/', headers } as unknown as IncomingMessage, socket, head, (ws) => {
    opened.push(ws);
  });
  const [ws] = opened;
  if (ws === undefined) throw new Error('not opened');
  return ws;
}

/** @param chunks what one read each brings; the first may have come with the handshake */
async function run(chunks: readonly Buffer[], withReader: boolean, withHead: boolean): Promise<Outcome> {
  const socket = new ScriptedSocket();
  // In-place unmasking is to spoil nobody else's octets.
  const reads = chunks.map((chunk) => Buffer.from(chunk));
  const ws = openWebSocket(socket, withHead ? (reads.shift() ?? Buffer.alloc(0)) : Buffer.alloc(0));
  socket.written.length = 0;
  const messages: (readonly [string, boolean])[] = [];
  const errors: string[] = [];
  const onMessage = (data: Buffer, isBinary: boolean): void => {
    // What comes while the connection closes is for nobody (WebSocketConnection drops it).
    if (ws.readyState === ws.OPEN) messages.push([data.toString('latin1'), isBinary]);
  };
  const reader = withReader ? new WebSocketReader(socket as unknown as Socket, { onMessage }, MAX_MESSAGE_BYTES) : null;
  ws.on('message', (data, isBinary) => {
    reader?.onGivenOut();
    onMessage(data as Buffer, isBinary);
  });
  ws.on('error', (error) => {
    reader?.stop();
    errors.push(error.message);
  });
  for (const read of reads) {
    socket.push(read);
    await settle();
  }
  await settle();
  const outcome = {
    messages,
    errors,
    written: Buffer.concat(socket.written).toString('hex'),
    readyState: ws.readyState,
    isDestroyed: socket.destroyed,
  };
  ws.terminate();
  return outcome;
}

function cut(octets: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (octets.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((start, k) => octets.subarray(start, sorted[k] ?? octets.length));
}

const payload = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: 'grapheme', maxLength: 120 }).map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 90 }).map((octets) => Buffer.from(octets)) },
  { weight: 1, arbitrary: fc.integer({ min: 120, max: 1_010 }).map((length) => Buffer.alloc(length, 'long ')) },
);
const ordinary = fc.record({ opcode: fc.constantFrom(1, 1, 1, 2), payload });
const whole = fc.record({ opcode: fc.constantFrom(1, 2), payload: payload.filter((octets) => octets.length < 900) });
/** A message in several frames, perhaps with a ping between. */
const fragmented = fc
  .tuple(fc.constantFrom(1, 2), fc.array(payload, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([opcode, pieces, pings]): RawFrameSpec[] =>
    pieces.flatMap((piece, k): RawFrameSpec[] => [
      { opcode: k === 0 ? opcode : 0, payload: piece, fin: k === pieces.length - 1 },
      ...(pings ? [{ opcode: 9, payload: `ping ${k}` }] : []),
    ]),
  );
const control = fc.record({
  opcode: fc.constantFrom(9, 10),
  payload: fc.uint8Array({ maxLength: 125 }).map((octets) => Buffer.from(octets)),
});
const close = fc.constantFrom<RawFrameSpec>(
  { opcode: 8 },
  { opcode: 8, payload: Buffer.from([3, 232]) },
  { opcode: 8, payload: Buffer.from([3, 232, 0x62, 0x79, 0x65]) },
  { opcode: 8, payload: Buffer.from([3]) },
  { opcode: 8, payload: Buffer.from([0, 1]) },
);
const odd = fc.record({
  opcode: fc.integer({ min: 0, max: 15 }),
  payload,
  fin: fc.boolean(),
  reserved: fc.constantFrom(0, 0, 0, 0x40, 0x20, 0x10),
  masked: fc.constantFrom(true, true, false),
});
const frames = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: ordinary.map((frame): RawFrameSpec[] => [frame]) },
      { weight: 8, arbitrary: whole.map((frame): RawFrameSpec[] => [frame]) },
      { weight: 3, arbitrary: fragmented },
      { weight: 3, arbitrary: control.map((frame): RawFrameSpec[] => [frame]) },
      { weight: 1, arbitrary: close.map((frame) => [frame]) },
      { weight: 3, arbitrary: odd.map((frame): RawFrameSpec[] => [frame]) },
    ),
    { maxLength: 12 },
  )
  .map((groups) => groups.flat());

t.test('whatever is sent and however it is cut: the same messages, answers and errors as `ws` alone', async (t) => {
  const property = fc.asyncProperty(
    frames,
    fc.array(fc.nat({ max: 4_000 }), { maxLength: 8 }),
    fc.boolean(),
    async (specs, places, withHead) => {
      const chunks = cut(Buffer.concat(specs.map((spec) => encodeFrame(spec))), places);
      const [own, alone] = [await run(chunks, true, withHead), await run(chunks, false, withHead)];
      if (JSON.stringify(own) !== JSON.stringify(alone)) {
        throw new Error(`got ${JSON.stringify(own)}, ws alone ${JSON.stringify(alone)}`);
      }
    },
  );
  await checkAsync(t, property, 1_500);
});

t.test('octet by octet it is the same, too', async (t) => {
  const specs: RawFrameSpec[] = [
    { opcode: 1, payload: 'one' },
    { opcode: 1, payload: 'é'.repeat(100) },
    { opcode: 9, payload: 'ping' },
    { opcode: 2, payload: Buffer.from([0xff, 0]) },
    { opcode: 1, payload: 'a', fin: false },
    { opcode: 0, payload: 'b' },
    { opcode: 1, payload: '' },
    { opcode: 8, payload: Buffer.from([3, 232]) },
    { opcode: 1, payload: 'too late' },
  ];
  const octets = Buffer.concat(specs.map((spec) => encodeFrame(spec)));
  const chunks = [...octets].map((octet) => Buffer.from([octet]));
  const own = await run(chunks, true, false);
  t.strictSame(own, await run(chunks, false, false));
  t.equal(own.messages.length, 5);
});

t.test('nothing behind a frame that breaks the rules is given out', async (t) => {
  const faults: Readonly<Record<string, RawFrameSpec>> = {
    'an unmasked message': { opcode: 1, payload: 'x', masked: false },
    'an unmasked ping': { opcode: 9, masked: false },
    'a ping of 126 octets': { opcode: 9, payload: 'x'.repeat(126) },
    'a fragmented pong': { opcode: 10, fin: false },
    'a reserved bit': { opcode: 9, reserved: 0x20 },
    'an unknown opcode': { opcode: 3 },
    'an unknown control opcode': { opcode: 11 },
    'a continuation of nothing': { opcode: 0, payload: 'x' },
    'a text that is not UTF-8': { opcode: 1, payload: Buffer.from([0xff]) },
    'a message too long': { opcode: 2, payload: Buffer.alloc(MAX_MESSAGE_BYTES + 1) },
    'a close frame': { opcode: 8 },
  };
  for (const [name, fault] of Object.entries(faults)) {
    const octets = [{ opcode: 1, payload: 'before' }, fault, { opcode: 1, payload: 'behind' }].map(encodeFrame);
    const { messages, readyState } = await run([Buffer.concat(octets)], true, false);
    t.strictSame(messages, [['before', false]], name);
    t.not(readyState, 1, 'the connection ends');
  }
});

t.test('messages that lie whole in a read never meet `ws`', async (t) => {
  const socket = new ScriptedSocket();
  const ws = openWebSocket(socket, Buffer.alloc(0));
  t.teardown(() => {
    ws.terminate();
  });
  let given = 0;
  ws.on('message', () => t.fail('ws gave it out'));
  const reader = new WebSocketReader(socket as unknown as Socket, { onMessage: () => given++ }, MAX_MESSAGE_BYTES);
  const frame = encodeFrame({ opcode: 1, payload: 'x'.repeat(300) });
  reader.push(Buffer.concat([frame, frame, frame]));
  t.equal(given, 3);
});

t.test('a socket with other readers is refused', async (t) => {
  const socket = new ScriptedSocket();
  const owner = { onMessage: () => undefined };
  t.throws(() => new WebSocketReader(socket as unknown as Socket, owner, 1), /by ws alone/);
  openWebSocket(socket, Buffer.alloc(0));
  socket.on('data', () => undefined);
  t.throws(() => new WebSocketReader(socket as unknown as Socket, owner, 1), /by ws alone/);
});
