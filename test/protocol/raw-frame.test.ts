import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { FrameFlag, FrameParser, type RawFrame, type StompVersion } from '../../protocol/index.js';

/** The flags and the decoded frame of one frame in `text`. */
function read(text: string, version: StompVersion = '1.2') {
  const frames: { flags: number; isPlain: boolean; headers: unknown; body: string; destination: string }[] = [];
  new FrameParser({ version }).pushRaw(Buffer.from(text), {
    onRawFrame(raw: RawFrame) {
      const { headers, body } = raw.decode(version);
      const { flags, isPlain, buffer, destinationStart, destinationEnd } = raw;
      const destination = destinationStart < 0 ? '-' : buffer.toString('utf8', destinationStart, destinationEnd);
      frames.push({ flags, isPlain, headers: [...headers], body: body.toString(), destination });
      return true;
    },
  });
  const [frame] = frames;
  if (frame === undefined || frames.length > 1) throw new Error(`${frames.length} frames`);
  return frame;
}

t.test('a SEND that asks for nothing is plain', async (t) => {
  const frame = read('SEND\ndestination:/topic/a\nx:y\ncontent-length:2\n\nhi\0');
  t.match(frame, { flags: 0, isPlain: true, destination: '/topic/a', body: 'hi' });
  t.ok(read('SEND\ndestination:/topic/ä\n\nhi\0').isPlain, 'UTF-8 is the same in all versions');
  t.equal(read('SEND\n\n\0').destination, '-');
});

t.test('whatever the server acts on, strips or rewrites is not plain', async (t) => {
  const names = [
    'ack',
    'receipt',
    'selector',
    'reply-to',
    'priority',
    'message-id',
    'transaction',
    'subscription',
    'redelivered',
    'JMSXUserID',
  ];
  for (const name of [...names, 'persistent', 'expires', 'expiration', 'message-key', 'simpOrigDestination']) {
    t.notOk(read(`SEND\n${name}:1\n\n\0`).isPlain, name);
    t.ok(read(`SEND\nx${name}:1\n${name.slice(1)}:1\n\n\0`).isPlain, `not ${name}`);
  }
  t.equal(read('SEND\na:b:c\n\n\0').flags, FrameFlag.COLON);
  t.equal(read('SEND\na:b\\\\c\n\n\0').flags, FrameFlag.BACKSLASH);
  t.equal(read('SEND\na:b\r\n\n\0').flags, FrameFlag.CR);
  t.equal(read('SEND\na:b\n\r\n\0').flags, FrameFlag.CR, 'a CR in the blank line is relayed with it');
  t.equal(read('SEND\r\na:b\n\n\0').flags, 0, 'the CR of the command line is not');
  t.notOk(read('SEND\ndestination:a\ndestination:b\n\n\0').isPlain);
  t.notOk(read('SEND\ncontent-length:0\ncontent-length:0\n\n\0').isPlain);
  for (const length of ['00', ' 0', '0 ', '0\r'])
    t.notOk(read(`SEND\ncontent-length:${length}\n\n\0`).isPlain, JSON.stringify(length));
});

t.test('the first destination counts', async (t) => {
  t.equal(read('SEND\ndestination:a\ndestination:b\n\n\0').destination, 'a');
});

t.test('headers are unescaped by version; 1.0 trims instead', async (t) => {
  const text = 'SEND\na\\cb: x\\n \n\n\0';
  t.strictSame(read(text, '1.2').headers, [['a:b', ' x\n ']]);
  t.strictSame(read(text, '1.1').headers, [['a:b', ' x\n ']]);
  t.strictSame(read(text, '1.0').headers, [['a\\cb', 'x\\n']]);
});

t.test('CONNECT is not unescaped on any version', async (t) => {
  t.strictSame(read('CONNECT\npasscode:a:b\\n\n\n\0').headers, [['passcode', 'a:b\\n']]);
  t.strictSame(read('STOMP\npasscode: a\\q\n\n\0').headers, [['passcode', ' a\\q']]);
});

t.test('one CR before the LF ends a line; another is data, or an error on 1.2', async (t) => {
  for (const version of ['1.0', '1.1', '1.2'] as const) {
    t.strictSame(read('SEND\r\na:b\r\n\r\n\0', version).headers, [['a', 'b']], version);
  }
  t.strictSame(read('SEND\na:b\rc\n\n\0', '1.1').headers, [['a', 'b\rc']]);
  t.strictSame(read('SEND\na:b\r\r\n\n\0', '1.1').headers, [['a', 'b\r']]);
  for (const line of ['a:b\rc', 'a:b\r\r', 'a\rb:c']) {
    t.throws(
      () => read(`SEND\n${line}\n\n\0`),
      { code: 'header-malformed', message: /^Header line 1: CR without LF/ },
      line,
    );
  }
  t.throws(() => read('CONNECT\na:b\rc\n\n\0', '1.0'), { code: 'header-malformed' });
});

t.test('an unknown escape names the line it stands in', async (t) => {
  t.throws(() => read('SEND\na:b\nc:\\d\n\n\0'), { code: 'header-escape-unknown', message: /^Header line 2/ });
});

t.test('a body of SUBSCRIBE is ignored on 1.0', async (t) => {
  t.equal(read('SUBSCRIBE\nid:1\n\nbody\0', '1.0').body, '');
  t.throws(() => read('SUBSCRIBE\nid:1\n\nbody\0', '1.1'), { code: 'body-not-allowed' });
});

t.test('a value that is kept does not keep the other headers of its frame', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const count = 2_000;
  const padding = 'x'.repeat(8_000);
  for (const [command, name] of [
    ['CONNECT', 'login'],
    ['SUBSCRIBE', 'destination'],
    ['SEND', 'destination'],
    ['SEND', 'reply-to'],
  ] as const) {
    const kept: string[] = [];
    const parser = new FrameParser();
    const before = heapBytes();
    for (let k = 0; k < count; k++) {
      const headers = `${name}:/topic/that-is-long-enough-${k}\nauthorization:${padding}`;
      parser.push(Buffer.from(`${command}\n${headers}\n\n\0`), (frame) => {
        kept.push(frame.headers.get(name) ?? '');
      });
    }
    const bytes = (heapBytes() - before) / count;
    t.ok(bytes < 1_000, `${command} ${name}: ${Math.round(bytes)} octets each`);
    t.equal(kept[count - 1], `/topic/that-is-long-enough-${count - 1}`);
  }
});

t.test('values long and short are read alike, whatever ends their line', async (t) => {
  const value = 'a value of some length';
  for (const eol of ['\n', '\r\n']) {
    for (const other of ['plain', 'é']) {
      const lines = ['SUBSCRIBE', 'id:1', `destination:${value}`, `x-other:${other}`, '', '\0'];
      new FrameParser().push(Buffer.from(lines.join(eol)), ({ headers }) => {
        t.equal(headers.get('destination'), value);
        t.equal(headers.get('id'), '1');
        t.equal(headers.get('x-other'), other);
      });
    }
  }
});
