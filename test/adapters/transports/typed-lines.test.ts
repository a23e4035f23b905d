/** Frames typed by hand, told apart from frames cut behind the command. */
import t from 'tap';
import { isTypedCommand, TypedLines } from '../../../adapters/transports/typed-lines.js';

/** What the parser gets when these messages come, the command first. */
function type(...messages: readonly string[]): { readonly octets: string; readonly lines: TypedLines } {
  const [command = '', ...rest] = messages;
  const lines = new TypedLines(Buffer.from(command));
  const octets = rest.map((message) => lines.push(Buffer.from(message))?.toString() ?? '').join('');
  return { octets, lines };
}

t.test('only a lone CONNECT or STOMP looks like a typed line', async (t) => {
  t.ok(isTypedCommand(Buffer.from('CONNECT')));
  t.ok(isTypedCommand(Buffer.from('STOMP')));
  for (const other of ['', 'C', 'CONNECT\n', 'CONNECT\r', 'connect', 'SEND', 'STOMP\n\n\0', 'CONNECTED']) {
    t.notOk(isTypedCommand(Buffer.from(other)), JSON.stringify(other));
  }
});

t.test('CONNECT typed line by line is one frame', async (t) => {
  t.equal(type('CONNECT', 'accept-version:1.2', '', '^@').octets, 'CONNECT\naccept-version:1.2\n\n\0');
  t.equal(type('CONNECT', 'accept-version:1.2', '', '\0').octets, 'CONNECT\naccept-version:1.2\n\n\0');
  t.equal(type('STOMP', 'host:x', '').octets, 'STOMP\nhost:x\n\n\0', 'complete at the blank line');
  t.equal(type('CONNECT', 'host:x', '^@').octets, 'CONNECT\nhost:x\n\n\0', 'the blank line forgotten');
  t.equal(type('CONNECT', 'host:x^@').octets, 'CONNECT\nhost:x\n\n\0', 'the mark at the end of a header');
});

t.test('a frame without headers is known by what follows the blank line', async (t) => {
  const { octets, lines } = type('CONNECT', '', '^@');
  t.equal(octets, 'CONNECT\n\n\0');
  t.notOk(lines.isOrdinary);
});

t.test('the lines of a body are joined by line ends, without one at the end', async (t) => {
  const connect = ['CONNECT', 'host:x', ''];
  const start = 'CONNECT\nhost:x\n\n\0';
  t.equal(
    type(...connect, 'SEND', 'destination:/a', '', 'one', '', 'two', '^@').octets,
    `${start}SEND\ndestination:/a\n\none\n\ntwo\0`,
  );
  t.equal(type(...connect, 'SEND', 'destination:/a', '', 'one^@').octets, `${start}SEND\ndestination:/a\n\none\0`);
  t.equal(type(...connect, 'SEND', 'destination:/a', '', '\0').octets, `${start}SEND\ndestination:/a\n\n\0`);
});

t.test('blank lines and a late mark between frames are nothing', async (t) => {
  const { octets } = type('CONNECT', 'host:x', '', '^@', '', '\0', 'SUBSCRIBE', 'id:1', '', '^@', 'DISCONNECT', '');
  t.equal(octets, 'CONNECT\nhost:x\n\n\0SUBSCRIBE\nid:1\n\n\0DISCONNECT\n\n\0');
});

t.test('several lines pasted as one message are taken one by one', async (t) => {
  t.equal(type('CONNECT', 'a:1\r\nb:2\n', '\n').octets, 'CONNECT\na:1\nb:2\n\n\0');
});

t.test('an ordinary frame cut behind its command passes unchanged', async (t) => {
  for (const rest of ['\naccept-version:1.2\n\n\0', '\r\naccept-version:1.2\r\n\r\n\0']) {
    const { octets, lines } = type('CONNECT', rest);
    t.equal(octets, `CONNECT${rest}`);
    t.ok(lines.isOrdinary);
  }
  t.equal(type('CONNECT', '', '', '\n\n\0').octets, 'CONNECT\n\n\0', 'empty messages between are no octets');
});

t.test('release gives back everything held', async (t) => {
  const lines = new TypedLines(Buffer.from('STOMP'));
  t.equal(lines.push(Buffer.alloc(0)), null);
  t.equal(lines.release(Buffer.from('\n')).toString(), 'STOMP\n');
  t.ok(lines.isOrdinary);
});
