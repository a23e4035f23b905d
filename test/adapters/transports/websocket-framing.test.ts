/** What stands around a frame on each kind of connection. */
import assert from 'node:assert';
import t from 'tap';
import type { Framing } from '../../../broker/ports.js';
import {
  cutFrames,
  PREFIX_FRAMING,
  RAW_FRAMING,
  SOCKJS_WEBSOCKET_FRAMING,
  WEBSOCKET_FRAMING,
} from '../../../adapters/transports/websocket-framing.js';

function framed(framing: Framing, body: Buffer, text = true): Buffer {
  const octets = framing.encode === null ? body : framing.encode(body);
  const target = Buffer.alloc(framing.maxOverheadBytes + octets.length + 3);
  const start = framing.open(target, 3, octets.length, text);
  octets.copy(target, start);
  const end = framing.close(target, start + octets.length);
  assert.ok(end - 3 <= framing.maxOverheadBytes + octets.length, 'no more overhead than promised');
  return target.subarray(3, end);
}

t.test('TCP adds nothing', async (t) => {
  t.equal(framed(RAW_FRAMING, Buffer.from('abc')).toString(), 'abc');
});

t.test('a WebSocket header has the three forms of length', async (t) => {
  t.same([...framed(WEBSOCKET_FRAMING, Buffer.alloc(125)).subarray(0, 2)], [0x81, 125]);
  t.same([...framed(WEBSOCKET_FRAMING, Buffer.alloc(126)).subarray(0, 4)], [0x81, 126, 0, 126]);
  t.same([...framed(WEBSOCKET_FRAMING, Buffer.alloc(65_535), false).subarray(0, 4)], [0x82, 126, 255, 255]);
  t.same(
    [...framed(WEBSOCKET_FRAMING, Buffer.alloc(65_536), false).subarray(0, 10)],
    [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0],
  );
});

t.test('a SockJS message is one string in an array', async (t) => {
  const message = framed(SOCKJS_WEBSOCKET_FRAMING, Buffer.from('A\n\0'));
  t.equal(message[1], message.length - 2);
  t.equal(message.toString('utf8', 2), 'a["A\\n\\u0000"]');
});

t.test('prefixed frames written together are cut apart again', async (t) => {
  const bodies = ['', 'one', 'x'.repeat(70_000)].map((body) => Buffer.from(body));
  const octets = Buffer.concat([
    framed(PREFIX_FRAMING, Buffer.from([255]), false),
    ...bodies.map((body) => framed(PREFIX_FRAMING, body)),
  ]);
  const cut: { frame: string; text: boolean }[] = [];
  cutFrames(new Uint8Array(octets), (frame, text) => cut.push({ frame: frame.toString('latin1'), text }));
  t.same(cut, [{ frame: '\xff', text: false }, ...bodies.map((body) => ({ frame: body.toString(), text: true }))]);
});
