/** Conformance E-01 to E-14: ERROR frames, what they tell and what they never tell, and how a connection ends. */
import t, { type Test } from 'tap';
import { BrokerError } from '../../broker/index.js';
import { inTime } from '../helpers/inbox.js';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

const SECRET = 'swordfish-1234';

/** A server that has a fault of its own: SEND to `/topic/fault` throws what no client may see. */
async function startFaulty(t: Test): Promise<TestServer> {
  const own = await startTestServer({ http: false });
  t.teardown(() => own.stop());
  own.server.broker.interceptInbound((frame) => {
    const destination = frame.headers.get('destination');
    if (destination === '/topic/fault') throw new TypeError(`cannot read ${import.meta.filename} with ${SECRET}`);
    if (destination === '/topic/late.fault') return Promise.reject(new Error(SECRET));
    if (destination === '/topic/secret') throw new BrokerError('access-denied', 'Not allowed to use /topic/secret');
    return frame;
  });
  return own;
}

/** One frame of each kind of failure: malformed, refused, unknown. */
const FAILURES: Readonly<Record<string, string>> = {
  'command-unknown': 'WRONG\nreceipt:r-1\n\n\0',
  'header-malformed': 'SEND\nno colon\n\n\0',
  'content-length-invalid': 'SEND\ndestination:/topic/a\ncontent-length:x\n\n\0',
  'content-length-mismatch': 'SEND\ndestination:/topic/a\ncontent-length:1\n\nabc\0',
  'body-not-allowed': 'UNSUBSCRIBE\nid:0\n\nbody\0',
  'header-missing': 'SEND\nreceipt:r-1\n\n\0',
  'header-invalid': 'SUBSCRIBE\nid:0\ndestination:/topic/a\nack:x\nreceipt:r-1\n\n\0',
  'destination-invalid': `SEND\ndestination:/topic/${'x'.repeat(2_000)}\nreceipt:r-1\n\n\0`,
  'subscription-unknown': 'UNSUBSCRIBE\nid:0\nreceipt:r-1\n\n\0',
  'ack-unknown': 'ACK\nid:0\nmessage-id:0\nsubscription:0\nreceipt:r-1\n\n\0',
  'transaction-unknown': 'COMMIT\ntransaction:t\nreceipt:r-1\n\n\0',
  'already-connected': 'CONNECT\naccept-version:1.2\nreceipt:r-1\n\n\0',
};

async function fail(t: Test, version: Version, octets: string, code?: string, to = port): Promise<ReceivedFrame> {
  const client = await openConnected(t, to, version);
  await client.send(octets);
  return client.expectError(code);
}

t.test('E-01 the connection ends after ERROR', async (t) => {
  for (const version of VERSIONS) {
    for (const [code, octets] of Object.entries(FAILURES)) {
      // Resolves only at the server's FIN.
      t.equal((await fail(t, version, octets, code)).command, 'ERROR', `${code} on ${version}`);
    }
  }
});

t.test('E-02 there is one ERROR, it is the last frame, and nothing is parsed or delivered after it', async (t) => {
  for (const version of VERSIONS) {
    const watcher = await openConnected(t, port, version);
    await watcher.subscribe('/topic/e02');
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/e02');
    const more = 'SEND\ndestination:/topic/e02\nreceipt:x\n\nnever\0';
    await client.send(`SEND\n\n\0WRONG\n\n\0${more}`);
    watcher.sendFrame('SEND', { destination: '/topic/e02' }, 'for the watcher');
    const frames = [await client.frame()];
    // A message may have been under way before the error was.
    if (frames[0]?.command === 'MESSAGE') frames.push(await client.frame());
    t.equal(frames.at(-1)?.get('code'), 'header-missing');
    await client.closed();
    t.equal((await watcher.frame('MESSAGE')).text, 'for the watcher');
    await watcher.fence();
  }
});

t.test('E-03 ERROR has a message of one line', async (t) => {
  for (const version of VERSIONS) {
    for (const octets of Object.values(FAILURES)) {
      const message = (await fail(t, version, octets)).get('message') ?? '';
      t.match(message, /^[\x20-\x7e]{8,200}$/, message);
    }
  }
});

t.test('E-04 the body of ERROR has content-type and content-length', async (t) => {
  for (const version of VERSIONS) {
    for (const octets of Object.values(FAILURES)) {
      const error = await fail(t, version, octets);
      t.ok(error.body.length > 0);
      t.equal(error.get('content-type'), 'text/plain');
      t.equal(error.get('content-length'), String(error.body.length));
    }
  }
});

t.test('E-05 ERROR carries the receipt of the frame it is about, and only then', async (t) => {
  for (const version of VERSIONS) {
    for (const [code, octets] of Object.entries(FAILURES)) {
      // What is malformed was never read as a frame, so that nothing is known of its headers.
      const isFrame = octets.includes('receipt:') && code !== 'command-unknown';
      t.equal((await fail(t, version, octets)).get('receipt-id'), isFrame ? 'r-1' : undefined, `${code} on ${version}`);
    }
    t.equal((await fail(t, version, 'SEND\n\n\0')).get('receipt-id'), undefined);
  }
});

t.test('E-06 headers of ERROR are escaped by version and no input breaks out of them', async (t) => {
  const nasty = 'a\\nerror\\cb\\\\';
  for (const version of ['1.1', '1.2'] as const) {
    t.equal((await fail(t, version, `SEND\nreceipt:${nasty}\n\n\0`)).getRaw('receipt-id'), nasty);
    const unknown = await fail(t, version, `UNSUBSCRIBE\nid:x\\nforged\\cheader\n\n\0`);
    t.notOk(unknown.raw.some(([name]) => name === 'forged'));
  }
  t.equal((await fail(t, '1.0', 'SEND\nreceipt:a\\nb:c\n\n\0')).getRaw('receipt-id'), 'a\\nb:c');
  const early = [
    'CONNECT\naccept-version:9\r\nforged:x\n\n\0',
    'CONNECT\naccept-version:1.2\nheart-beat:\\nforged\\cx\n\n\0',
    'A\rB:c\n\n\0',
  ];
  for (const octets of early) {
    const client = await RawClient.openFor(t, port);
    await client.send(octets);
    const error = await client.expectError();
    for (const [name, value] of error.raw) {
      t.not(name, 'forged');
      t.match(value, /^[\x20-\x7e]*$/);
    }
  }
});

t.test('E-07 a framing error is answered by ERROR, not by a bare close', async (t) => {
  const framing = [
    'header-malformed',
    'command-unknown',
    'content-length-invalid',
    'content-length-mismatch',
    'body-not-allowed',
  ];
  for (const code of framing) {
    for (const version of VERSIONS) await fail(t, version, FAILURES[code] ?? '', code);
    t.pass(code);
  }
  const client = await RawClient.openFor(t, port);
  await client.send(Buffer.from([0xff, 0xfe, 0xfd]));
  await client.expectError('command-unknown');
});

t.test('E-08 ERROR holds no stack trace, file path or secret', async (t) => {
  const own = await startFaulty(t);
  const errors: ReceivedFrame[] = [];
  for (const version of VERSIONS) {
    for (const destination of ['/topic/fault', '/topic/late.fault']) {
      errors.push(await fail(t, version, `SEND\ndestination:${destination}\n\n\0`, 'internal', own.tcpPort));
    }
    for (const octets of Object.values(FAILURES)) errors.push(await fail(t, version, octets));
  }
  for (const error of errors) {
    const text = JSON.stringify(error.raw) + error.text;
    t.notMatch(text, /\bat .*:\d+|node:|\.[jt]s\b|TypeError|dist\//);
    t.notOk(text.includes(SECRET));
  }
});

t.test('E-09 what ERROR echoes of the frame is short and printable', async (t) => {
  const long = 'x'.repeat(900);
  const octets = [
    `${'X'.repeat(10_000)}\n\n\0`,
    `SEND\n${'n'.repeat(10_000)}\n\n\0`,
    `SEND\ndestination:/topic/${'é'.repeat(5_000)}\n\n\0`,
    `UNSUBSCRIBE\nid:${long}\u0001\u007f\u2028é\n\n\0`,
    `SUBSCRIBE\nid:0\ndestination:/topic/a\nack:${long}\u0007\n\n\0`,
    `COMMIT\ntransaction:${long}\u001b[31m\n\n\0`,
    `SEND\ndestination:/topic/a\ncontent-length:${long}\n\n\0`,
    `ACK\nid:${long}\nmessage-id:${long}\nsubscription:${long}\n\n\0`,
  ];
  for (const version of VERSIONS) {
    for (const text of octets) {
      const error = await fail(t, version, text);
      t.ok(error.body.length < 600, `${error.body.length} octets of body`);
      for (const [, value] of error.raw) t.match(value, /^[\x20-\x7e]{0,600}$/);
      t.match(error.text, /^[\x20-\x7e\n]*$/);
    }
  }
});

t.test(
  'E-10 a client that goes on sending gets the ERROR and an orderly end, and is cut when it never stops',
  async (t) => {
    const own = await startTestServer({ http: false, broker: { limits: { lingerMs: 300 } } });
    t.teardown(() => own.stop());
    const client = await RawClient.open(own.tcpPort, { allowHalfOpen: true });
    t.teardown(() => {
      client.destroy();
    });
    await client.connect('1.2');
    const gone = new Promise((resolve) => client.socket.once('close', resolve));
    await client.send('WRONG\n\n\0');
    const flood = setInterval(() => {
      if (client.socket.writable) void client.send('SEND\ndestination:/topic/e10\n\nx\0'.repeat(100));
    }, 5);
    t.teardown(() => {
      clearInterval(flood);
    });
    await client.expectError('command-unknown');
    t.equal(own.server.broker.stats().connections.current, 1, 'still draining what comes in');
    await inTime(gone, 'the server to cut a client that does not close');
    t.equal(own.server.broker.stats().connections.current, 0);
  },
);

t.test('E-11 the end of a connection gives back everything it held', async (t) => {
  const own = await startTestServer({ http: false });
  t.teardown(() => own.stop());
  const { broker } = own.server;
  const watcher = await openConnected(t, own.tcpPort, '1.2');
  await watcher.subscribe('/topic/e11');
  for (const version of VERSIONS) {
    const queue = `/queue/e11.${version}`;
    const client = await openConnected(t, own.tcpPort, version);
    await client.subscribe(queue, 'q', { ack: 'client' });
    await client.subscribe('/topic/e11', 't');
    await client.subscribe('/topic/e11/*', 'p');
    client.sendFrame('SEND', { destination: queue }, 'work');
    await client.frame('MESSAGE');
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { destination: '/topic/e11', transaction: 't' }, 'never');
    await client.send('WRONG\n\n\0');
    await client.expectError('command-unknown');
    t.equal(broker.stats().subscriptions, 1 + VERSIONS.indexOf(version));
    await watcher.subscribe(queue, queue);
    t.equal((await watcher.frame('MESSAGE')).text, 'work');
    await watcher.fence();
  }
});

t.test('E-12 a fault while handling one connection leaves the others alone', async (t) => {
  const own = await startFaulty(t);
  const bystander = await openConnected(t, own.tcpPort, '1.2');
  await bystander.subscribe('/topic/e12');
  for (const version of VERSIONS) {
    await fail(t, version, 'SEND\ndestination:/topic/fault\n\n\0', 'internal', own.tcpPort);
    await fail(t, version, 'SEND\ndestination:/topic/late.fault\n\n\0', 'internal', own.tcpPort);
    bystander.sendFrame('SEND', { destination: '/topic/e12' }, version);
    t.equal((await bystander.frame('MESSAGE')).text, version);
  }
});

t.test('E-13 permission, limits and faults of the server have texts of their own', async (t) => {
  const own = await startFaulty(t);
  const small = await startTestServer({ http: false, broker: { limits: { maxSubscriptionsPerSession: 1 } } });
  t.teardown(() => small.stop());
  const subscribe = (id: number): string => `SUBSCRIBE\nid:${id}\ndestination:/topic/a\n\n\0`;
  for (const version of VERSIONS) {
    const errors = [
      await fail(t, version, 'SEND\ndestination:/topic/secret\n\n\0', 'access-denied', own.tcpPort),
      await fail(t, version, subscribe(1) + subscribe(2), 'limit-exceeded', small.tcpPort),
      await fail(t, version, 'SEND\ndestination:/topic/fault\n\n\0', 'internal', own.tcpPort),
    ];
    const messages = errors.map((error) => error.get('message') ?? '');
    t.match(messages, [/not allowed/i, /limit/i, /internal/i]);
  }
});

t.test('E-14 a server that stops takes no connection, writes what is queued and ends each in order', async (t) => {
  const own = await startTestServer({ http: false });
  const clients = [];
  for (const version of VERSIONS) {
    const client = await openConnected(t, own.tcpPort, version);
    await client.subscribe('/topic/e14');
    clients.push(client);
  }
  const sender = await openConnected(t, own.tcpPort, '1.2');
  void sender.send(`SEND\ndestination:/topic/e14\n\n${'x'.repeat(10_000)}\0`.repeat(100));
  sender.sendFrame('SEND', { destination: '/topic/e14', receipt: 'all' });
  await sender.receipt('all');
  const stopped = own.stop();
  for (const client of clients) {
    t.equal((await client.messages(101)).length, 101);
    await client.closed();
  }
  await stopped;
  await t.rejects(RawClient.open(own.tcpPort), /ECONNREFUSED/);
});
