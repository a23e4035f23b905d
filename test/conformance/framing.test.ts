/** Conformance F-01 to F-22: where frames begin and end, commands, line ends, header lines. */
import t, { type Test } from 'tap';
import { openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

/** Octets sent on a connected session end it with this ERROR. */
async function refuses(t: Test, version: Version, octets: string, code: string): Promise<void> {
  const client = await openConnected(t, port, version);
  await client.send(octets);
  await client.expectError(code);
  t.pass(`${version} refuses ${JSON.stringify(octets)}`);
}

/** A client that hears its own messages on a destination nobody else uses. */
async function openEcho(t: Test, version: Version, destination: string): Promise<RawClient> {
  const client = await openConnected(t, port, version);
  await client.subscribe(destination);
  return client;
}

t.test('F-01 CONNECT without headers and body is a valid frame', async (t) => {
  const client = await RawClient.openFor(t, port);
  await client.send('CONNECT\n\n\0');
  t.equal((await client.frame('CONNECTED')).get('version'), '1.0');
});

t.test('F-02 a frame is command line, header lines, empty line, body and NUL, and nothing else ends it', async (t) => {
  for (const version of VERSIONS) {
    const client = await openEcho(t, version, '/topic/f02');
    await client.send('SEND\ndestination:/topic/f02\nx:1\n\nline\n\nSEND\ndestination:/topic/f02\n\n');
    await client.send('\0');
    const message = await client.frame('MESSAGE');
    t.equal(message.get('x'), '1');
    t.equal(message.text, 'line\n\nSEND\ndestination:/topic/f02\n\n');
    await client.fence();
  }
});

t.test('F-03 commands and header names are case-sensitive', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'send\ndestination:/topic/a\n\n\0', 'command-unknown');
    await refuses(t, version, 'SEND\nDestination:/topic/a\n\n\0', 'header-missing');
  }
});

t.test('F-04 an unknown command is answered by ERROR', async (t) => {
  for (const version of VERSIONS) await refuses(t, version, 'PUBLISH\ndestination:/topic/a\n\n\0', 'command-unknown');
  const client = await RawClient.openFor(t, port);
  await client.send('HELLO\n\n\0');
  await client.expectError('command-unknown');
});

t.test('F-05 a command that only begins like a known one is unknown', async (t) => {
  for (const command of ['SENDX', 'SUB', 'UNSUB', 'BEGIN TX', 'SEND ', ' SEND', 'CONNECTED2']) {
    await refuses(t, '1.2', `${command}\ndestination:/topic/a\n\n\0`, 'command-unknown');
  }
});

t.test('F-06 a server command from a client is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    for (const command of ['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR']) {
      await refuses(t, version, `${command}\nmessage:x\n\n\0`, 'command-unknown');
    }
  }
});

t.test('F-07 line feeds before the first frame and after a NUL are ignored', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    await client.send('\n\n\n');
    await client.connect(version);
    await client.send('\n'.repeat(1_000));
    client.sendFrame('SEND', { destination: '/topic/f07', receipt: '1' });
    await client.send('\n\n');
    client.sendFrame('SEND', { destination: '/topic/f07', receipt: '2' });
    await client.receipt('1');
    await client.receipt('2');
  }
});

t.test('F-08 CR LF between frames is ignored, CR before anything else is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.send('\r\n\r\n\n');
    await client.fence();
    await refuses(t, version, '\rSEND\ndestination:/topic/a\n\n\0', 'frame-malformed');
    await refuses(t, version, '\r\r\nSEND\ndestination:/topic/a\n\n\0', 'frame-malformed');
  }
});

t.test('F-09 extra NULs between frames are no frames', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.send('\0\0\0');
    await client.fence();
  }
});

t.test('F-10 a stream cut at every octet gives the frames of the whole', async (t) => {
  for (const version of VERSIONS) {
    const client = await openEcho(t, version, '/topic/f10');
    const eol = version === '1.2' ? '\r\n' : '\n';
    const escape = version === '1.0' ? 'plain' : 'a\\nb\\\\c';
    const head = ['SEND', 'destination:/topic/f10', `x:${escape}`, 'y:é€😀', 'content-length:12', '', ''].join(eol);
    const stream = Buffer.from(`${head}né\0€ 😀\0\n${head}né\0€ 😀\0`);
    for (const octet of stream) await client.send(Uint8Array.of(octet));
    for (const message of await client.messages(2)) {
      t.equal(message.get('x'), version === '1.0' ? 'plain' : 'a\nb\\c');
      t.equal(message.get('y'), 'é€😀');
      t.equal(message.text, 'né\0€ 😀');
    }
    await client.fence();
  }
});

t.test('F-10 a stream cut in two at any octet gives the frames of the whole', async (t) => {
  const client = await openEcho(t, '1.2', '/topic/f10');
  const stream = Buffer.from('SEND\r\ndestination:/topic/f10\nx:a\\nb😀\r\ncontent-length:4\n\n\0\n\0z\0');
  for (let cut = 1; cut < stream.length; cut++) {
    await client.send(stream.subarray(0, cut));
    await client.send(stream.subarray(cut));
    const message = await client.frame('MESSAGE');
    t.same([message.get('x'), message.text], ['a\nb😀', '\0\n\0z'], `cut at ${cut}`);
  }
});

t.test('F-11 whole frames of a chunk are handled in order and a part of one is kept', async (t) => {
  const client = await openEcho(t, '1.2', '/topic/f11');
  const frame = (body: string): string => `SEND\ndestination:/topic/f11\n\n${body}\0`;
  await client.send(frame('1') + frame('2') + frame('3').slice(0, -5));
  t.same(
    (await client.messages(2)).map(({ text }) => text),
    ['1', '2'],
  );
  t.equal(client.unread, 0);
  await client.send(frame('3').slice(-5));
  t.equal((await client.frame('MESSAGE')).text, '3');
  await client.fence();
});

t.test('F-12 ten thousand tiny frames in one chunk are handled', async (t) => {
  const client = await openEcho(t, '1.2', '/topic/f12');
  await client.send('SEND\ndestination:/topic/f12\n\n\0'.repeat(10_000));
  const messages = await client.messages(10_000);
  t.equal(new Set(messages.map((message) => message.get('message-id'))).size, 10_000);
});

t.test('F-12 the time for a body in small chunks grows with its length, not with its square', async (t) => {
  const client = await openConnected(t, port, '1.2');
  const piece = Buffer.alloc(1024, 'x');
  const upload = async (bytes: number): Promise<number> => {
    const from = process.cpuUsage();
    await client.send(`SEND\ndestination:/topic/f12\ncontent-length:${bytes}\nreceipt:up\n\n`);
    for (let sent = 0; sent < bytes; sent += piece.length) await client.send(piece);
    await client.send('\0');
    await client.receipt('up');
    const { user, system } = process.cpuUsage(from);
    return (user + system) / 1_000;
  };
  // Processor time, and the best of several: what else the machine does must not decide.
  const best = async (bytes: number): Promise<number> => {
    const times: number[] = [];
    for (let k = 0; k < 4; k++) times.push(await upload(bytes));
    return Math.min(...times);
  };
  await upload(1024 * 1024);
  const small = await best(1024 * 1024);
  const large = await best(10 * 1024 * 1024);
  // Ten times the octets: linear is 10, quadratic is 100.
  t.ok(large < 40 * small, `1 MiB in ${Math.round(small)} ms, 10 MiB in ${Math.round(large)} ms`);
});

t.test('F-13 on 1.2 every line may end in LF or CR LF, also mixed', async (t) => {
  const client = await openEcho(t, '1.2', '/topic/f13');
  await client.send('SEND\r\ndestination:/topic/f13\nx:1\r\ny:2\n\r\nbody\0');
  await client.send('SEND\ndestination:/topic/f13\r\nx:1\ny:2\r\n\nbody\0');
  await client.send('SEND\r\ndestination:/topic/f13\r\nx:1\r\ny:2\r\n\r\nbody\0');
  for (const message of await client.messages(3)) {
    t.same(
      [message.get('destination'), message.get('x'), message.get('y'), message.text],
      ['/topic/f13', '1', '2', 'body'],
    );
  }
});

t.test('F-14 CONNECT may use CR LF whatever version follows', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    await client.send(`CONNECT\r\naccept-version:${version}\r\nhost:localhost\r\n\r\n\0`);
    t.equal((await client.frame('CONNECTED')).get('version'), version);
  }
});

t.test('F-15 on 1.0 and 1.1 one CR before LF belongs to the line end, any other is data', async (t) => {
  for (const version of ['1.0', '1.1'] as const) {
    const client = await openEcho(t, version, '/topic/f15');
    await client.send('SEND\r\ndestination:/topic/f15\r\nx:a\rb\r\n\r\nbody\0');
    const message = await client.frame('MESSAGE');
    t.equal(message.get('x'), 'a\rb');
    t.equal(message.text, 'body');
  }
});

t.test('F-16 on 1.2 a CR not before LF in command, header name or value is answered by ERROR', async (t) => {
  await refuses(t, '1.2', 'SE\rND\ndestination:/topic/a\n\n\0', 'command-unknown');
  await refuses(t, '1.2', 'SEND\ndestination:/topic/a\nx\ry:1\n\n\0', 'header-malformed');
  await refuses(t, '1.2', 'SEND\ndestination:/topic/a\nx:1\r2\n\n\0', 'header-malformed');
});

t.test('F-17 on 1.2 two CRs before LF are answered by ERROR', async (t) => {
  await refuses(t, '1.2', 'SEND\ndestination:/topic/a\nfoo:bar\r\r\n\n\0', 'header-malformed');
  await refuses(t, '1.2', 'SEND\r\r\ndestination:/topic/a\n\n\0', 'command-unknown');
});

t.test('F-18 a header line without a colon is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'SEND\ndestination:/topic/a\nnonsense\n\n\0', 'header-malformed');
  }
});

t.test('F-19 a header line that begins with a colon is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'SEND\ndestination:/topic/a\n:value\n\n\0', 'header-malformed');
  }
});

t.test('F-20 a header with an empty value is relayed as empty', async (t) => {
  for (const version of VERSIONS) {
    const client = await openEcho(t, version, '/topic/f20');
    await client.send('SEND\ndestination:/topic/f20\nfoo:\n\n\0');
    t.equal((await client.frame('MESSAGE')).getRaw('foo'), '');
  }
});

t.test('F-21 the first colon ends the name, further ones belong to the value', async (t) => {
  for (const version of VERSIONS) {
    const client = await openEcho(t, version, '/topic/f21');
    await client.send('SEND\ndestination:/topic/f21\nurl:http://h:80/p\n\n\0');
    const message = await client.frame('MESSAGE');
    t.equal(message.get('url'), 'http://h:80/p');
    t.equal(message.getRaw('url'), version === '1.0' ? 'http://h:80/p' : 'http\\c//h\\c80/p');
  }
});

t.test('F-22 only the first of repeated headers counts', async (t) => {
  for (const version of VERSIONS) {
    const client = await openEcho(t, version, '/topic/f22');
    await client.send('SEND\ndestination:/topic/f22\ndestination:/topic/other\nx:1\nx:2\n\n\0');
    const message = await client.frame('MESSAGE');
    t.equal(message.get('destination'), '/topic/f22');
    t.equal(message.get('x'), '1');
    await client.send('SEND\ndestination:/topic/f22\ncontent-length:3\ncontent-length:1\n\na\0b\0');
    t.equal((await client.frame('MESSAGE')).text, 'a\0b');
    await client.send('SEND\ndestination:/topic/nobody\nreceipt:first\nreceipt:second\n\n\0');
    await client.receipt('first');
    await client.send('SUBSCRIBE\nid:first\nid:second\ndestination:/topic/f22b\nreceipt:s\n\n\0');
    await client.receipt('s');
    await client.send('UNSUBSCRIBE\nid:first\nreceipt:u\n\n\0');
    await client.receipt('u');
    await client.fence();
  }
});
