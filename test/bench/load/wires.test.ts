import t from 'tap';
import { encodeTextMessage, sockJsWire, tcpWire, webSocketWire } from '../../../bench/load/wires.js';
import { FrameCutter } from '../../../bench/servers/limit-frames.js';

const FRAME = 'SEND\ndestination:/topic/a\n\nbody\0';

/** What a server reads. */
function textsOf(octets: Buffer): string[] {
  const texts: string[] = [];
  new FrameCutter(true).push(octets, (text) => texts.push(text));
  return texts;
}

t.test('a frame is one masked message, whatever its length', async (t) => {
  for (const length of [5, 125, 126, 65_535, 65_536]) {
    const text = 'x'.repeat(length);
    t.ok(textsOf(encodeTextMessage(text))[0] === text, `${length} octets`);
  }
  t.notMatch(webSocketWire.encode(FRAME).toString('latin1'), 'destination', 'the mask is not zero');
});

t.test('SockJS carries it as JSON, TCP as it is', async (t) => {
  t.same(textsOf(sockJsWire.encode(FRAME)), [JSON.stringify([FRAME])]);
  t.equal(tcpWire.encode(FRAME).toString(), FRAME);
});

t.test('each SockJS client has a session of its own', async (t) => {
  const [first, second] = [0, 1].map((index) => sockJsWire.handshake(1, '/ws', index));
  t.match(first, /^GET \/ws\/000\/\w+\/websocket HTTP\/1\.1\r\n/);
  t.not(first, second);
});
