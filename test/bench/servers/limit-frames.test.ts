/** Servers that do as little as can be still have to count rightly, or the limit would be none. */
import t from 'tap';
import { encodeTextMessage } from '../../../bench/load/wires.js';
import { FrameCutter, messageOf, subscriptionOf } from '../../../bench/servers/limit-frames.js';

const CONNECT = 'CONNECT\nhost:/\n\n\0';
const SEND = `SEND\ndestination:/topic/a\ncontent-length:300\n\n${'x'.repeat(300)}\0`;

for (const isWebSocket of [false, true]) {
  t.test(
    `over ${isWebSocket ? 'WebSocket' : 'TCP'}: frames as text, then only their number, cut at each octet`,
    async (t) => {
      const encode = (frame: string): Buffer => (isWebSocket ? encodeTextMessage(frame) : Buffer.from(frame));
      const stream = Buffer.concat([encode(CONNECT), encode('\n'), encode(SEND), encode(SEND), encode(SEND)]);
      const wrong: number[] = [];
      for (let at = 1; at < stream.length; at++) {
        const cutter = new FrameCutter(isWebSocket);
        const texts: string[] = [];
        const onText = (text: string): void => {
          texts.push(text);
          if (text.startsWith('SEND')) cutter.countOnly();
        };
        const count = cutter.push(stream.subarray(0, at), onText) + cutter.push(stream.subarray(at), onText);
        if (count !== 3 || texts.length !== 2 || texts[0]?.startsWith('CONNECT') !== true) wrong.push(at);
      }
      t.same(wrong, []);
    },
  );
}

t.test('a MESSAGE keeps the headers and body of its SEND', async (t) => {
  const { destination, frame } = messageOf(SEND);
  t.equal(destination, '/topic/a');
  const text = frame.toString();
  t.match(text, /^MESSAGE\nsubscription:sub-0\nmessage-id:[\d-]+\ndestination:\/topic\/a\ncontent-length:300\n\nx+\0$/);
  t.same(subscriptionOf('SUBSCRIBE\nid:1\ndestination:/topic/b\nreceipt:r\n\n'), {
    destination: '/topic/b',
    receipt: 'r',
  });
});
