/** Conformance F-39 to F-49 and F-60: bodies, with and without content-length. */
import t, { type Test } from 'tap';
import { openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

let lastTopic = 0;

/** A subscriber of a destination nobody else uses. */
async function openEcho(t: Test, version: Version): Promise<{ client: RawClient; destination: string }> {
  const destination = `/topic/body.${++lastTopic}`;
  const client = await openConnected(t, port, version);
  await client.subscribe(destination);
  return { client, destination };
}

async function refuses(t: Test, version: Version, octets: string, code: string): Promise<void> {
  const client = await openConnected(t, port, version);
  await client.send(octets);
  await client.expectError(code);
  t.pass(`${version} refuses ${JSON.stringify(octets)}`);
}

t.test('F-39 a NUL before the blank line is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'SEND\ndestination:/topic/a\n\0', 'header-malformed');
    await refuses(t, version, 'SEND\ndestination:/top\0ic/a\n\n\0', 'header-malformed');
    await refuses(t, version, 'SEND\0', 'command-unknown');
  }
});

t.test('F-40 without content-length the body ends at the first NUL', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    await client.send(`SEND\ndestination:${destination}\n\none\0SEND\ndestination:${destination}\n\ntwo\0`);
    t.same(
      (await client.messages(2)).map(({ text }) => text),
      ['one', 'two'],
    );
  }
});

t.test('F-41 content-length counts the body, NULs included, and one NUL follows', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    await client.send(`SEND\ndestination:${destination}\ncontent-length:5\n\n\0a\0b\0\0`);
    const message = await client.frame('MESSAGE');
    t.equal(message.text, '\0a\0b\0');
    t.equal(message.get('content-length'), '5');
    await client.fence();
  }
});

t.test('F-42 content-length counts octets, not characters', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    await client.send(`SEND\ndestination:${destination}\ncontent-length:9\n\né€😀\0`);
    const message = await client.frame('MESSAGE');
    t.equal(message.text, 'é€😀');
    t.equal(message.get('content-length'), '9');
  }
});

t.test(
  'F-43 content-length is honoured on every frame: one that has no body may say 0, and more than it has',
  async (t) => {
    for (const version of VERSIONS) {
      const client = await openConnected(t, port, version);
      await client.send('SUBSCRIBE\nid:0\ndestination:/topic/f43\nreceipt:s\ncontent-length:0\n\n\0');
      await client.receipt('s');
      await refuses(t, version, 'UNSUBSCRIBE\nid:0\ncontent-length:3\n\na\0b\0', 'body-not-allowed');
    }
  },
);

t.test(
  'F-44 an octet other than NUL behind the counted body is answered by ERROR and nothing is delivered',
  async (t) => {
    for (const version of VERSIONS) {
      const { client, destination } = await openEcho(t, version);
      const sender = await openConnected(t, port, version);
      await sender.send(`SEND\ndestination:${destination}\ncontent-length:2\n\nabc\0`);
      await sender.expectError('content-length-mismatch');
      await client.fence();
      t.pass('the subscriber got nothing');
    }
  },
);

t.test('F-45 a body that never arrives whole is never delivered', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    const sender = await openConnected(t, port, version);
    await sender.send(`SEND\ndestination:${destination}\ncontent-length:100\n\nonly a part`);
    sender.end();
    await sender.closed();
    const unfinished = await openConnected(t, port, version);
    await unfinished.send(`SEND\ndestination:${destination}\n\nno NUL`);
    unfinished.end();
    await unfinished.closed();
    await client.fence();
    t.pass('the subscriber got nothing');
  }
});

t.test('F-46 a content-length that is not a number of octets is answered by ERROR at once', async (t) => {
  for (const version of VERSIONS) {
    for (const value of ['-1', 'abc', '1.5', '0x10', '', '12345678901234567890', '+1', '1 2', '1e3', '٣']) {
      // No blank line yet: the header alone is enough.
      await refuses(t, version, `SEND\ndestination:/topic/a\ncontent-length:${value}\n`, 'content-length-invalid');
    }
  }
});

t.test('F-47 a counted body that looks like frames is not interpreted', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    const body = `\0\n\nSEND\ndestination:${destination}\n\nsmuggled\0DISCONNECT\n\n\0`;
    client.sendFrame('SEND', { destination, 'content-length': String(body.length) }, body);
    t.equal((await client.frame('MESSAGE')).text, body);
    await client.fence();
  }
});

t.test('F-48 all octet values make the round trip unchanged, with content-length', async (t) => {
  const body = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    client.sendFrame('SEND', { destination, 'content-length': '512' }, body);
    const message = await client.frame('MESSAGE');
    t.same(message.body, body);
    t.equal(message.get('content-length'), '512');
  }
});

t.test('F-49 only SEND may have a body; the body of a SUBSCRIBE on 1.0 is ignored', async (t) => {
  const frames: Readonly<Record<string, string>> = {
    SUBSCRIBE: 'id:1\ndestination:/topic/a',
    UNSUBSCRIBE: 'id:1',
    BEGIN: 'transaction:t',
    COMMIT: 'transaction:t',
    ABORT: 'transaction:t',
    ACK: 'id:1\nmessage-id:1\nsubscription:1',
    NACK: 'id:1\nmessage-id:1\nsubscription:1',
    DISCONNECT: 'receipt:1',
    CONNECT: 'accept-version:1.2',
    STOMP: 'accept-version:1.2',
  };
  for (const version of VERSIONS) {
    for (const [command, headers] of Object.entries(frames)) {
      if (version === '1.0' && command === 'SUBSCRIBE') continue;
      await refuses(t, version, `${command}\n${headers}\n\nbody\0`, 'body-not-allowed');
    }
  }
  for (const command of ['CONNECT', 'STOMP']) {
    const client = await RawClient.openFor(t, port);
    await client.send(`${command}\naccept-version:1.2\n\nbody\0`);
    await client.expectError('body-not-allowed');
  }
  const copying = await openConnected(t, port, '1.2');
  await copying.send('SUBSCRIBE\nid:1\ndestination:/topic/a\ncontent-length:8511\nreceipt:copied\n\n\0');
  await copying.receipt('copied');
  const byHand = await RawClient.openFor(t, port);
  await byHand.send('CONNECT\naccept-version:1.2\n\n\n\0');
  await byHand.frame('CONNECTED');
  await byHand.send('SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\r\n\n\0');
  await byHand.receipt('s');
  const old = await openConnected(t, port, '1.0');
  await old.send('SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\nbody\0');
  await old.receipt('s');
});

t.test('F-60 SEND without a body becomes MESSAGE with an empty body', async (t) => {
  for (const version of VERSIONS) {
    const { client, destination } = await openEcho(t, version);
    client.sendFrame('SEND', { destination });
    client.sendFrame('SEND', { destination, 'content-length': '0' });
    for (const message of await client.messages(2)) {
      t.equal(message.body.length, 0);
      t.match(message.get('content-length') ?? '0', /^0$/);
    }
  }
});
