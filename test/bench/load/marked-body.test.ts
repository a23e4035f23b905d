import t from 'tap';
import { markedBody, MarkCounter } from '../../../bench/load/marked-body.js';
import { messageOf, toWebSocketFrame } from '../../../bench/servers/limit-frames.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

function frameOf(bodyBytes: number): Buffer {
  return messageOf(`SEND\ndestination:/topic/a\ncontent-length:${bodyBytes}\n\n${markedBody(bodyBytes)}\0`).frame;
}

const SPLITS = 200;

function cut(octets: Buffer, random: SeededRandom): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < octets.length;) {
    const end = at + random.between(1, random.chance(0.3) ? 4 : octets.length);
    chunks.push(octets.subarray(at, end));
    at = end;
  }
  return chunks;
}

t.test('a marked body has the asked length and its mark at the end', async (t) => {
  t.equal(markedBody(128).length, 128);
  t.equal(markedBody(5), 'xxxx|');
});

t.test('marks are counted however a stream is cut, also behind length octets that look like one', async (t) => {
  // A message of 124 or 0x..7c octets has the mark's own code in its WebSocket header.
  const header = messageOf(`SEND\ndestination:/topic/a\ncontent-length:128\n\n\0`).frame.length;
  for (const bodyBytes of [20, 128, 0x17c - header, 1_024, 16_384]) {
    const frame = frameOf(bodyBytes);
    const beat = Buffer.from('\n');
    const stream = Buffer.concat([frame, frame, beat, frame, toWebSocketFrame(frame), toWebSocketFrame(frame), frame]);
    const counts = new Set<number>();
    const random = new SeededRandom(`marks ${bodyBytes}`);
    for (let k = 0; k < SPLITS; k++) {
      const counter = new MarkCounter(bodyBytes);
      counts.add(cut(stream, random).reduce((total, chunk) => total + counter.add(chunk), 0));
    }
    t.same([...counts], [6], `${bodyBytes} octets`);
  }
});

t.test('frames that grow with their message ids are counted', async (t) => {
  const counter = new MarkCounter(20);
  for (let id = 1; id < 2_000; id++) {
    counter.add(Buffer.from(`MESSAGE\nmessage-id:s-${id}\n\n${markedBody(20)}\0`));
  }
  t.equal(counter.count, 1_999);
});
