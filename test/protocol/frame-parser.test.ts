import t from 'tap';
import {
  FrameParser,
  type Frame,
  type FrameLimits,
  type FrameParserOptions,
  type RawFrame,
  type StompVersion,
} from '../../protocol/index.js';

interface Read {
  readonly command: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

function plain({ command, headers, body }: Frame): Read {
  return { command, headers: [...headers], body: body.toString('latin1') };
}

/** Frames out of `chunks`, each ending a message when `endsMessage`. */
function parse(chunks: readonly (string | Buffer)[], options: FrameParserOptions = {}, endsMessage = false): Read[] {
  const parser = new FrameParser(options);
  const frames: Read[] = [];
  for (const chunk of chunks) {
    const octets = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    parser.push(octets, (frame) => frames.push(plain(frame)), endsMessage);
  }
  return frames;
}

const CORPUS: readonly { readonly octets: Buffer; readonly frames: readonly Read[] }[] = [
  {
    octets: Buffer.from(
      'SEND\ndestination:/topic/a\n\nhello\0\n\r\n\0\nSEND\ndestination:b\ncontent-length:3\n\na\0b\0',
    ),
    frames: [
      { command: 'SEND', headers: [['destination', '/topic/a']], body: 'hello' },
      {
        command: 'SEND',
        headers: [
          ['destination', 'b'],
          ['content-length', '3'],
        ],
        body: 'a\0b',
      },
    ],
  },
  {
    octets: Buffer.from('SUBSCRIBE\r\nid:1\r\ndestination:/queue/\\cx\r\n\r\n\0ACK\nid:1-1\n\n\0'),
    frames: [
      {
        command: 'SUBSCRIBE',
        headers: [
          ['id', '1'],
          ['destination', '/queue/:x'],
        ],
        body: '',
      },
      { command: 'ACK', headers: [['id', '1-1']], body: '' },
    ],
  },
  {
    octets: Buffer.from('SEND\nä:ö\ncontent-length:0\n\n\0SEND\n\nSEND\n\n\n\0'),
    frames: [
      {
        command: 'SEND',
        headers: [
          ['ä', 'ö'],
          ['content-length', '0'],
        ],
        body: '',
      },
      { command: 'SEND', headers: [], body: 'SEND\n\n\n' },
    ],
  },
];

t.test('a stream reads the same wherever it is cut twice', async (t) => {
  let cuts = 0;
  for (const { octets, frames } of CORPUS) {
    for (let a = 0; a <= octets.length; a++) {
      for (let b = a; b <= octets.length; b++) {
        const read = parse([octets.subarray(0, a), octets.subarray(a, b), octets.subarray(b)]);
        cuts++;
        if (JSON.stringify(read) !== JSON.stringify(frames)) return t.strictSame(read, frames, `cut at ${a} and ${b}`);
      }
    }
  }
  t.ok(cuts > 5_000, `${cuts} ways to cut`);
});

t.test('a stream reads the same octet by octet, also as text messages of one octet each', async (t) => {
  for (const { octets, frames } of CORPUS) {
    const single = Array.from(octets, (octet) => Buffer.from([octet]));
    t.strictSame(parse(single), frames);
    t.strictSame(parse(single, { lenientNul: true }, true), frames);
  }
});

t.test(
  'a frame that lies whole in one chunk is not copied, one that straddles is never written to again',
  async (t) => {
    const parser = new FrameParser();
    const kept: { body: Buffer; was: string }[] = [];
    const keep = ({ body }: Frame) => kept.push({ body, was: body.toString() });
    const chunk = Buffer.from('SEND\n\nwhole\0SEND\n\nstrad');
    parser.push(chunk, keep);
    t.equal(kept[0]?.body.buffer, chunk.buffer);
    const text = `dled\0SEND\n\n${'x'.repeat(3000)}`;
    parser.push(Buffer.from(text), keep);
    for (let k = 0; k < 50; k++) parser.push(Buffer.from(`yy\0SEND\ncontent-length:2000\n\n${'z'.repeat(1998)}`), keep);
    t.equal(kept[1]?.was, 'straddled');
    chunk.fill(0x21, 12);
    t.ok(kept.length > 40);
    for (const { body, was } of kept) if (body.toString() !== was) t.fail('a frame handed out was overwritten');
  },
);

t.test('heart-beats, NULs and CR LF between frames are skipped', async (t) => {
  t.strictSame(parse(['\n\n\0\r\n\n']), []);
  t.throws(() => parse(['\r', 'SEND\n\n\0']), { code: 'frame-malformed', message: /CR without LF/ });
  t.throws(() => parse(['\r\r\n']), { code: 'frame-malformed' });
});

t.test('an unknown command is refused before its LF comes, and shown', async (t) => {
  t.throws(() => parse(['GET / HTTP/1.1\r\n']), { code: 'command-unknown', message: /"GET \/ HTTP/ });
  t.throws(() => parse([Buffer.from([0x16, 3, 1])]), { code: 'command-unknown' });
  t.throws(() => parse(['SUBSCRIBESUBSCRIBE']), { code: 'command-unknown' });
  t.throws(() => parse(['send\n']), { code: 'command-unknown' });
  t.throws(() => parse(['SEN\rD\n']), { code: 'command-unknown' });
  t.throws(() => parse(['MESSAGE\n\n\0']), { code: 'command-unknown' });
  t.strictSame(parse(['MESSAGE\n\n\0'], { sender: 'server' }).length, 1);
  t.throws(() => parse(['SEND\n\n\0'], { sender: 'server' }), { code: 'command-unknown' });
});

t.test('header lines without colon, without name, or with NUL are refused by their number', async (t) => {
  t.throws(() => parse(['SEND\na:b\nnocolon\n\n\0']), {
    code: 'header-malformed',
    message: 'Header line 2: no colon in "nocolon"',
  });
  t.throws(() => parse(['SEND\na:b\nc:d\n:x\n\n\0']), {
    code: 'header-malformed',
    message: 'Header line 3: a header name is empty',
  });
  t.throws(() => parse(['SEND\na:b\0']), { code: 'header-malformed', message: /NUL before the blank line/ });
  t.throws(() => parse(['SEND\0']), { code: 'command-unknown' });
});

t.test('headers that are not UTF-8 are refused', async (t) => {
  const octets = Buffer.concat([Buffer.from('SEND\na:'), Buffer.from([0xc3, 0x28]), Buffer.from('\n\n\0')]);
  t.throws(() => parse([octets]), { code: 'header-not-utf8' });
  t.throws(() => parse([octets.subarray(0, 8), octets.subarray(8)]), { code: 'header-not-utf8' });
});

t.test('content-length has to be a decimal number that counts the body', async (t) => {
  for (const value of ['-1', 'abc', '1.5', '0x10', '', '1e1', '+1', '1 1', '12345678901234567890', '٣']) {
    t.throws(
      () => parse([`SEND\na:b\ncontent-length:${value}\n\n`]),
      { code: 'content-length-invalid', message: /^Header line 2: / },
      value,
    );
  }
  t.throws(() => parse(['SEND\ncontent-length:2\n\nabc\0']), {
    code: 'content-length-mismatch',
    message: /the 2 octets/,
  });
  t.throws(() => parse(['SEND\ncontent-length:2\n\na\0\0x']), { code: 'command-unknown' });
  t.equal(parse(['SEND\ncontent-length: 02 \n\nab\0'])[0]?.body, 'ab');
  t.equal(parse(['SEND\ncontent-length:1\ncontent-length:9\n\na\0'])[0]?.body, 'a', 'the first counts');
});

t.test('only SEND may have a body', async (t) => {
  for (const command of [
    'SUBSCRIBE',
    'UNSUBSCRIBE',
    'ACK',
    'NACK',
    'BEGIN',
    'COMMIT',
    'ABORT',
    'DISCONNECT',
    'CONNECT',
    'STOMP',
  ]) {
    t.throws(() => parse([`${command}\n\nx`]), {
      code: 'body-not-allowed',
      message: `${command} may not have a body`,
    });
    t.throws(() => parse([`${command}\ncontent-length:1\n\nx`]), { code: 'body-not-allowed' });
    t.equal(parse([`${command}\ncontent-length:8511\n\n\0`]).length, 1, 'what it counts need not be there');
    t.equal(parse([`${command}\ncontent-length:0\n\n\0`]).length, 1);
    t.equal(parse([`${command}\ncontent-length:0\n\n\n\0`]).length, 1, 'a line end is no body either');
  }
});

t.test('line ends between the blank line and the NUL of a frame without body are no body', async (t) => {
  const limits: FrameLimits = { maxHeaders: 2, maxHeaderLineBytes: 10, maxBodyBytes: 0 };
  const octets = 'CONNECT\nlogin:a\n\n\n\r\n\0BEGIN\n\n\n\0\nABORT\n\n\0';
  for (const chunks of [[octets], Array.from(octets)]) {
    const frames = parse(chunks, { limits });
    t.same(
      frames.map(({ command, body }) => [command, body]),
      [
        ['CONNECT', ''],
        ['BEGIN', ''],
        ['ABORT', ''],
      ],
    );
  }
  t.throws(() => parse(['BEGIN\n\n\n\nx\0'], { limits }), { code: 'body-not-allowed' });
  t.throws(() => parse(Array.from(`BEGIN\n\n${'\n'.repeat(20)}`), { limits }), { code: 'body-not-allowed' });
  t.same(parse(['SEND\n\n\n\0'])[0]?.body, '\n', 'the body of a SEND keeps them');
});

t.test('every limit is checked before what exceeds it is held, and named with what was got', async (t) => {
  const limits: FrameLimits = { maxHeaders: 2, maxHeaderLineBytes: 10, maxBodyBytes: 5 };
  const cases: readonly [string, string, RegExp][] = [
    ['SEND\na:1\na:2\na:3\n', 'headers-too-many', /^Header line 3: the limit is 2 lines$/],
    ['SEND\na:1\nb:3456789012', 'header-too-long', /^Header line 2: 12 octets so far, the limit is 10$/],
    ['SEND\n012345678901', 'header-too-long', /^Header line 1: /],
    ['SEND\ncontent-length:6\n\n', 'body-too-long', /^Body of 6 octets, the limit is 5$/],
    ['SEND\n\n123456', 'body-too-long', /^Body of 6 octets, the limit is 5$/],
  ];
  for (const [text, code, message] of cases) {
    const wide = text.includes('content-length') ? { ...limits, maxHeaderLineBytes: 20 } : limits;
    t.throws(() => parse([text], { limits: wide }), { code, message }, text);
    t.throws(
      () => parse(Array.from(text), { limits: wide }),
      { code, message: code === 'body-too-long' ? message : /.*/ },
      text,
    );
  }
  t.strictSame(
    parse(['SEND\na:34567890\r\nb:34567890\n\n12345\0'], { limits }).length,
    1,
    'each limit is allowed itself',
  );
  t.throws(() => parse(['SEND\na:345678901\r\n\r\n\0'], { limits: { ...limits, maxHeaderLineBytes: 9 } }), {
    code: 'header-too-long',
  });
});

t.test('nothing is read after a fault', async (t) => {
  const parser = new FrameParser();
  t.throws(() => parser.push(Buffer.from('WRONG\n\n\0SEND\n\n\0'), () => t.fail('a frame')));
  parser.push(Buffer.from('SEND\n\n\0'), () => t.fail('a frame'));
  t.equal(parser.pushRaw(Buffer.from('abc'), { onRawFrame: () => t.fail() as never }), 3);
});

t.test('a content-length costs no memory by being claimed', async (t) => {
  const parser = new FrameParser();
  const sizes = new Set<number>();
  const allocUnsafe = Buffer.allocUnsafe.bind(Buffer);
  t.teardown(() => (Buffer.allocUnsafe = allocUnsafe));
  Buffer.allocUnsafe = (size) => {
    sizes.add(size);
    return allocUnsafe(size);
  };
  const none = () => t.fail('a frame');
  parser.push(Buffer.from('SEND\ncontent-length:16000000\n\n'), none);
  for (let k = 0; k < 100; k++) parser.push(Buffer.from('x'.repeat(10)), none);
  t.equal(parser.heldBytes, 30 + 1000);
  t.ok(Math.max(...sizes) <= 2 * parser.heldBytes, `largest allocation ${Math.max(...sizes)}`);
});

t.test('a frame is assembled in buffers that grow by doubling: their sum stays near its size', async (t) => {
  const allocUnsafe = Buffer.allocUnsafe.bind(Buffer);
  t.teardown(() => (Buffer.allocUnsafe = allocUnsafe));
  let allocated = 0;
  Buffer.allocUnsafe = (size) => {
    allocated += size;
    return allocUnsafe(size);
  };
  for (const head of [
    'SEND\n\n',
    'SEND\ncontent-length:400000\n\n',
    `SEND\n${`h:${'v'.repeat(1000)}\n`.repeat(200)}\n`,
  ]) {
    const octets = Buffer.from(`${head}${'b'.repeat(400_000)}\0`);
    const parser = new FrameParser();
    allocated = 0;
    let frames = 0;
    for (let at = 0; at < octets.length; at += 100) parser.push(octets.subarray(at, at + 100), () => frames++);
    t.equal(frames, 1);
    t.ok(allocated < 4 * octets.length, `${allocated} octets allocated for ${octets.length}`);
    t.equal(parser.heldBytes, 0);
  }
});

t.test('a sink that returns false stops the parser behind that frame', async (t) => {
  const octets = Buffer.from('SEND\n\n1\0SEND\n\n2\0SEND\n\n3\0');
  for (let cut = 0; cut <= octets.length; cut++) {
    const parser = new FrameParser();
    const bodies: string[] = [];
    const sink = {
      onRawFrame(raw: RawFrame) {
        bodies.push(raw.decode('1.2').body.toString());
        return false;
      },
    };
    const queue = [octets.subarray(0, cut), octets.subarray(cut)];
    let pushes = 0;
    for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) {
      const before = bodies.length;
      const consumed = parser.pushRaw(chunk, sink);
      if (bodies.length > before + 1) t.fail('went on');
      if (consumed < chunk.length) queue.unshift(chunk.subarray(consumed));
      if (++pushes > 20) throw new Error('no progress');
    }
    if (bodies.join() !== '1,2,3') t.fail(`cut at ${cut}: ${bodies.join()}`);
  }
});

t.test('the frame is let go of after the call', async (t) => {
  const parser = new FrameParser();
  let seen: RawFrame | undefined;
  parser.pushRaw(Buffer.from('SEND\n\nx\0'), { onRawFrame: (raw) => ((seen = raw), true) });
  t.equal(seen?.buffer.length, 0);
});

t.test('version and limits may be changed between frames', async (t) => {
  const parser = new FrameParser({ version: '1.0' });
  const read: Read[] = [];
  parser.push(Buffer.from('SEND\na: b \n\n\0'), (frame) => read.push(plain(frame)));
  parser.version = '1.2';
  parser.limits = { maxHeaders: 1, maxHeaderLineBytes: 20, maxBodyBytes: 0 };
  parser.push(Buffer.from('SEND\na: b \n\n\0'), (frame) => read.push(plain(frame)));
  t.strictSame(
    read.map(({ headers }) => headers),
    [[['a', 'b']], [['a', ' b ']]],
  );
  t.throws(() => parser.push(Buffer.from('SEND\n\nx\0'), () => undefined), { code: 'body-too-long' });
});

t.test('lenientNul', async (t) => {
  const lenient = (...messages: string[]): string[] =>
    parse(messages, { lenientNul: true }, true).map(({ command, body }) => `${command} ${body}`);
  const counts = (...messages: string[]): number[] => {
    const parser = new FrameParser({ lenientNul: true });
    return messages.map((message) => {
      let frames = 0;
      parser.push(Buffer.from(message), () => frames++, true);
      return frames;
    });
  };

  t.test('a frame that has no body is whole at the end of its message; a NUL after it is skipped', async (t) => {
    t.strictSame(counts('SUBSCRIBE\nid:1\n\n'), [1]);
    t.strictSame(counts('CONNECT\n\n', '\0SEND\n\nx\0'), [1, 1]);
    t.strictSame(counts('SUBSCRIBE\nid:1\n', '\n', '\0'), [0, 1, 0]);
  });

  t.test('a counted body is whole at its last octet', async (t) => {
    t.strictSame(counts('SEND\ncontent-length:2\n\nab', 'SEND\n\nx\0'), [1, 1]);
    t.strictSame(counts('SEND\ncontent-length:2\n\na', 'b', '\0\n'), [0, 1, 0]);
    t.strictSame(counts('SEND\ncontent-length:9\n\nab', 'SEND\n\nx\0'), [0, 1], 'content-length says more is coming');
    t.strictSame(lenient('SEND\ncontent-length:9\n\nab', 'SEND\n\nx\0'), ['SEND abSEND\n\nx']);
  });

  t.test('an uncounted body is whole only when a new frame or a heart-beat follows', async (t) => {
    t.strictSame(counts('SEND\n\nab'), [0]);
    t.strictSame(lenient('SEND\n\nab', 'SEND\n\ncd\0'), ['SEND ab', 'SEND cd']);
    t.strictSame(lenient('SEND\n\nab', '\n', 'DISCONNECT\n\n'), ['SEND ab', 'DISCONNECT ']);
    t.strictSame(lenient('SEND\n\nab', '\r\n'), ['SEND ab']);
    t.strictSame(lenient('SEND\n\nab', 'SUBSCRIBE\r\nid:1\r\n\r\n'), ['SEND ab', 'SUBSCRIBE ']);
    t.strictSame(lenient('SEND\n\nab', 'cd\0'), ['SEND abcd']);
    t.strictSame(lenient('SEND\n\nab', 'SENDER\n\0'), ['SEND abSENDER\n']);
    t.strictSame(lenient('SEND\n\nab', '\nrest\0'), ['SEND ab\nrest']);
    t.strictSame(
      lenient('SEND\n\nab', 'cd', 'SEND\n\nx\0'),
      ['SEND abcdSEND\n\nx'],
      'a body in many messages is not cut',
    );
    t.strictSame(lenient('SEND\n\nab', '\0'), ['SEND ab']);
  });

  t.test('without it a missing NUL is waited for', async (t) => {
    t.strictSame(parse(['SUBSCRIBE\nid:1\n\n'], {}, true), []);
    t.strictSame(parse(['SEND\n\nab', '\n', '\0'], {}, true)[0]?.body, 'ab\n');
    t.strictSame(
      parse(['SUBSCRIBE\nid:1\n\n'], { lenientNul: true }, false),
      [],
      'and so without the end of a message',
    );
  });

  t.test('a sink that stops at a frame cut short gets the rest again', async (t) => {
    const parser = new FrameParser({ lenientNul: true });
    const bodies: string[] = [];
    const sink = { onRawFrame: (raw: RawFrame) => (bodies.push(raw.decode('1.2').body.toString()), false) };
    t.equal(parser.pushRaw(Buffer.from('SEND\n\nab'), sink, true), 8);
    const next = Buffer.from('SEND\n\ncd\0');
    t.equal(parser.pushRaw(next, sink, true), 0);
    t.equal(parser.pushRaw(next, sink, true), next.length);
    t.strictSame(bodies, ['ab', 'cd']);
  });
});

t.test('no version changes where a frame ends', async (t) => {
  for (const version of ['1.0', '1.1', '1.2'] as StompVersion[]) {
    t.equal(parse(['SEND\na:b\n\nx\0SEND\n\ny\0'], { version }).length, 2);
  }
});
