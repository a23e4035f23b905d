/** Conformance F-23 to F-38: escapes, blanks and characters in headers. */
import t, { type Test } from 'tap';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

let lastTopic = 0;

/** What a SEND with these header lines becomes for a subscriber. */
async function relay(t: Test, lines: string, from: Version, to: Version = from): Promise<ReceivedFrame> {
  const destination = `/topic/relay.${++lastTopic}`;
  const receiver = await openConnected(t, port, to);
  await receiver.subscribe(destination);
  const sender = await openConnected(t, port, from);
  await sender.send(`SEND\ndestination:${destination}\n${lines}\n\n\0`);
  const message = await receiver.frame('MESSAGE');
  await receiver.fence();
  return message;
}

async function refuses(t: Test, version: Version, line: string | Buffer, code: string): Promise<void> {
  const client = await openConnected(t, port, version);
  await client.send(
    Buffer.concat([Buffer.from('SEND\ndestination:/topic/a\n'), Buffer.from(line), Buffer.from('\n\n\0')]),
  );
  await client.expectError(code);
  t.pass(`${version} refuses ${JSON.stringify(String(line))}`);
}

t.test('F-23 on 1.2 the four escapes are decoded in header values and names', async (t) => {
  const message = await relay(t, 'k\\ney\\c\\\\\\r:a\\nb\\rc\\cd\\\\e', '1.2');
  t.equal(message.get('k\ney:\\\r'), 'a\nb\rc:d\\e');
});

t.test('F-24 on 1.1 three escapes are decoded and \\r is answered by ERROR', async (t) => {
  const message = await relay(t, 'k\\n\\c\\\\:a\\nb\\cc\\\\d', '1.1');
  t.equal(message.get('k\n:\\'), 'a\nb:c\\d');
  await refuses(t, '1.1', 'x:a\\rb', 'header-escape-unknown');
});

t.test('F-25 on 1.0 a backslash is a plain character, in and out', async (t) => {
  const message = await relay(t, 'x:a\\nb\\tc\\\\d\\', '1.0');
  t.equal(message.getRaw('x'), 'a\\nb\\tc\\\\d\\');
});

t.test('F-26 on 1.1 and 1.2 any other pair and a lone last backslash are answered by ERROR', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    for (const line of ['x:a\\tb', 'x:\\N', 'x:\\0', 'x:\\:', 'x:abc\\', 'na\\xme:1', 'x:\\ n']) {
      await refuses(t, version, line, 'header-escape-unknown');
    }
  }
});

t.test('F-27 escapes are decoded in one pass', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    t.equal((await relay(t, 'x:\\\\n', version)).get('x'), '\\n');
    t.equal((await relay(t, 'x:\\\\\\n', version)).get('x'), '\\\n');
    t.equal((await relay(t, 'x:\\\\c\\\\\\\\n', version)).get('x'), '\\c\\\\n');
  }
});

t.test('F-28 headers of CONNECT are never unescaped', async (t) => {
  const locked = await startTestServer({
    http: false,
    auth: { anonymous: false, users: [{ login: 'u\\nv', passcode: 'a\\cb' }] },
  });
  t.teardown(() => locked.stop());
  for (const version of VERSIONS) {
    const client = await openConnected(t, locked.tcpPort, version, { login: 'u\\nv', passcode: 'a\\cb' });
    await client.fence();
    const wrong = await RawClient.openFor(t, locked.tcpPort);
    await wrong.send(`CONNECT\naccept-version:${version}\nlogin:u\\nv\npasscode:a:b\n\n\0`);
    await wrong.expectError('authentication-failed');
  }
});

t.test('F-29 CONNECTED is never escaped and no input breaks out of it', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    client.version = version;
    await client.send(`STOMP\naccept-version:${version}\nhost:h\nlogin:a\\nb:c\nrequest-id:r\\nx:y\\z\n\n\0`);
    const connected = await client.frame('CONNECTED');
    t.equal(connected.getRaw('response-id'), 'r\\nx:y\\z');
    t.equal(connected.get('x'), undefined);
  }
  await t.rejects(startTestServer({ http: false, broker: { serverHeader: 'a\nb:c' } }), /serverHeader/);
});

t.test('F-30 MESSAGE, RECEIPT and ERROR escape names and values by the version of the receiver', async (t) => {
  const lines = 'n\\n\\c\\\\\\r:v\\n\\c\\\\\\r';
  t.same(
    (await relay(t, lines, '1.2', '1.2')).raw.find(([name]) => name.startsWith('n\\')),
    ['n\\n\\c\\\\\\r', 'v\\n\\c\\\\\\r'],
  );
  t.same(
    (await relay(t, lines, '1.2', '1.1')).raw.find(([name]) => name.startsWith('n\\')),
    ['n\\n\\c\\\\\r', 'v\\n\\c\\\\\r'],
  );
  for (const version of ['1.1', '1.2'] as const) {
    const cr = version === '1.2' ? '\\r' : '';
    const client = await openConnected(t, port, version);
    await client.send(`SEND\ndestination:/topic/x\nreceipt:r\\n\\c\\\\${cr}\n\n\0`);
    t.equal((await client.frame('RECEIPT')).getRaw('receipt-id'), `r\\n\\c\\\\${cr}`);
    await client.send(`SEND\nreceipt:e\\n\\c\\\\${cr}\n\n\0`);
    t.equal((await client.expectError('header-missing')).getRaw('receipt-id'), `e\\n\\c\\\\${cr}`);
  }
});

t.test('F-31 a line feed or colon sent on a later version cannot break a header of an earlier one', async (t) => {
  const lines = 'na\\nme\\c2:a\\nb\\cc';
  const to11 = await relay(t, lines, '1.2', '1.1');
  t.equal(to11.get('na\nme:2'), 'a\nb:c');
  const to10 = await relay(t, lines, '1.2', '1.0');
  t.equal(to10.getRaw('na\\nme\\c2'), 'a\\nb:c');
  t.notOk(to10.raw.some(([name]) => name === 'b' || name === 'me'));
});

t.test('F-33 on 1.1 and 1.2 blanks in names and values are kept', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    const message = await relay(t, ' foo : bar \n\ttab\t:\tx\t', version);
    t.equal(message.getRaw(' foo '), ' bar ');
    t.equal(message.getRaw('\ttab\t'), '\tx\t');
  }
});

t.test('F-34 on 1.0 values are trimmed at both ends', async (t) => {
  const client = await openConnected(t, port, '1.0');
  await client.subscribe(' /topic/f34 ');
  await client.send('SEND\ndestination: /topic/f34\nx:\t a b \n\n\0');
  const message = await client.frame('MESSAGE');
  t.equal(message.getRaw('destination'), '/topic/f34');
  t.equal(message.getRaw('x'), 'a b');
});

t.test('F-35 login and passcode are literal on 1.1 and 1.2 and trimmed on 1.0', async (t) => {
  const locked = await startTestServer({
    http: false,
    auth: {
      anonymous: false,
      users: [
        { login: 'plain', passcode: 'secret' },
        { login: ' padded', passcode: 'secret ' },
      ],
    },
  });
  t.teardown(() => locked.stop());
  await openConnected(t, locked.tcpPort, '1.0', { login: ' plain ', passcode: ' secret ' });
  for (const version of ['1.1', '1.2'] as const) {
    await openConnected(t, locked.tcpPort, version, { login: ' padded', passcode: 'secret ' });
    const trimmed = await RawClient.openFor(t, locked.tcpPort);
    trimmed.sendFrame('CONNECT', { 'accept-version': version, login: ' plain ', passcode: ' secret ' });
    await trimmed.expectError('authentication-failed');
  }
});

t.test('F-36 lists and numbers tolerate blanks', async (t) => {
  const client = await RawClient.openFor(t, port);
  client.sendFrame('CONNECT', { 'accept-version': '1.1, 1.2', 'heart-beat': ' 0, 0 ' });
  t.equal((await client.frame('CONNECTED')).get('version'), '1.2');
  await client.subscribe('/topic/f36');
  await client.send('SEND\ndestination:/topic/f36\ncontent-length: 3 \n\na\0b\0');
  t.equal((await client.frame('MESSAGE')).text, 'a\0b');
});

t.test('F-37 names and values of two-, three- and four-octet characters are kept', async (t) => {
  for (const version of VERSIONS) {
    const message = await relay(t, 'ñ€😀:é€😀\u{10FFFF}\nx:\u0000'.replace('\u0000', '\u0080'), version);
    t.equal(message.get('ñ€😀'), 'é€😀\u{10FFFF}');
    t.equal(message.get('x'), '\u0080');
  }
});

t.test('F-38 malformed UTF-8 in a command or header is answered by ERROR', async (t) => {
  const malformed = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80]];
  for (const version of VERSIONS) {
    for (const octets of malformed) {
      await refuses(t, version, Buffer.from([0x78, 0x3a, ...octets]), 'header-not-utf8');
      await refuses(t, version, Buffer.from([...octets, 0x3a, 0x78]), 'header-not-utf8');
    }
    const client = await openConnected(t, port, version);
    await client.send(Buffer.from([0x53, 0xc3, 0x0a, 0x0a, 0x00]));
    await client.expectError('command-unknown');
  }
});
