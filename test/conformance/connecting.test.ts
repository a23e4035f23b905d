/** Conformance C-01 to C-22, C-25, C-32 and C-36: CONNECT, versions, who may come in. Heart-beats: heart-beating.test.ts. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { BrokerError } from '../../broker/index.js';
import { inTime } from '../helpers/inbox.js';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import type { ServerOptions } from '../../adapters/index.js';
import type { Authenticator, ConnectRequest } from '../../broker/ports.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

/** A server of its own for one test. */
async function startFor(t: Test, options: ServerOptions, authenticator?: Authenticator): Promise<number> {
  const own = await startTestServer({ http: false, ...options }, authenticator === undefined ? {} : { authenticator });
  t.teardown(() => own.stop());
  return own.tcpPort;
}

async function answer(t: Test, octets: string, to = port): Promise<ReceivedFrame> {
  const client = await RawClient.openFor(t, to);
  await client.send(octets);
  const frame = await client.frame();
  if (frame.command === 'ERROR') await client.closed();
  return frame;
}

const USERS = {
  anonymous: false,
  users: [
    { login: 'alice', passcode: 'a:b\\n' },
    { login: 'bob', passcode: 'builder' },
  ],
};
const ALICE = { login: 'alice', passcode: 'a:b\\n' };
const BOB = { login: 'bob', passcode: 'builder' };

t.test('C-01 CONNECT as first frame is answered by CONNECTED', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    t.equal((await client.connect(version)).command, 'CONNECTED');
  }
});

t.test('C-02 STOMP works exactly like CONNECT', async (t) => {
  for (const version of VERSIONS) {
    const head = `accept-version:${version}\nhost:h\nheart-beat:7,9\nrequest-id:1\n\n\0`;
    const [stomp, connect] = [await answer(t, `STOMP\n${head}`), await answer(t, `CONNECT\n${head}`)];
    const comparable = (frame: ReceivedFrame): unknown[] => [
      frame.command,
      frame.raw.map(([name, value]) => (name === 'session' ? name : [name, value])),
    ];
    t.equal(stomp.command, 'CONNECTED');
    t.same(comparable(stomp), comparable(connect));
  }
});

t.test('C-03 any other first frame is answered by ERROR', async (t) => {
  for (const command of ['SEND', 'SUBSCRIBE', 'UNSUBSCRIBE', 'BEGIN', 'COMMIT', 'ABORT', 'ACK', 'NACK', 'DISCONNECT']) {
    const error = await answer(
      t,
      `${command}\ndestination:/topic/a\nid:1\nmessage-id:1\ntransaction:1\nreceipt:7\n\n\0`,
    );
    t.equal(error.command, 'ERROR', command);
    t.equal(error.get('code'), 'not-connected', command);
  }
});

t.test('C-04 CONNECT or STOMP on a connected session is answered by ERROR and ends its subscriptions', async (t) => {
  for (const version of VERSIONS) {
    for (const command of ['CONNECT', 'STOMP']) {
      const own = await startTestServer({ http: false });
      const client = await openConnected(t, own.tcpPort, version);
      await client.subscribe('/topic/c04');
      t.equal(own.server.broker.stats().subscriptions, 1);
      client.sendFrame(command, { 'accept-version': version, host: 'h' });
      await client.expectError('already-connected');
      t.equal(own.server.broker.stats().subscriptions, 0);
      await own.stop();
    }
  }
});

t.test('C-05 without accept-version the session is 1.0', async (t) => {
  const client = await RawClient.openFor(t, port);
  await client.send('CONNECT\nhost:h\n\n\0');
  t.equal((await client.frame('CONNECTED')).get('version'), '1.0');
  client.version = '1.0';
  // Only 1.0 lets SUBSCRIBE do without id.
  await client.send('SUBSCRIBE\ndestination:/topic/c05\nreceipt:1\n\n\0');
  await client.receipt('1');
});

t.test('C-06 the highest common version is taken, whatever the order', async (t) => {
  const lists = {
    '1.2,1.0,1.1': '1.2',
    '1.0,1.1,1.2': '1.2',
    '1.0,1.1,2.0': '1.1',
    '1.1,1.0': '1.1',
    '1.0': '1.0',
    '2.0,1.0,9': '1.0',
  };
  for (const [list, version] of Object.entries(lists)) {
    t.equal((await answer(t, `CONNECT\naccept-version:${list}\nhost:h\n\n\0`)).get('version'), version, list);
  }
});

t.test('C-07 without a common version ERROR lists those of the server', async (t) => {
  for (const list of ['2.0', '9.9', '', '1.20', '1', ',', '1.2.0']) {
    const error = await answer(t, `CONNECT\naccept-version:${list}\nhost:h\n\n\0`);
    t.equal(error.command, 'ERROR', list);
    t.equal(error.get('version'), '1.0,1.1,1.2');
    t.equal(error.get('content-type'), 'text/plain');
    for (const version of VERSIONS) t.match(error.text, version);
  }
});

t.test('C-08 CONNECTED tells the version on 1.1 and 1.2', async (t) => {
  for (const version of ['1.1', '1.2']) {
    t.equal((await answer(t, `CONNECT\naccept-version:${version}\n\n\0`)).get('version'), version);
  }
});

t.test('C-09 CONNECTED tells the version on 1.0 as well', async (t) => {
  t.equal((await answer(t, 'CONNECT\n\n\0')).get('version'), '1.0');
});

t.test('C-10 on 1.0 CONNECTED carries the session', async (t) => {
  t.match((await answer(t, 'CONNECT\n\n\0')).get('session'), /^.+$/);
});

t.test('C-11 CONNECTED carries a session that no other connection has', async (t) => {
  const sessions: (string | undefined)[] = [];
  for (let k = 0; k < 10; k++) {
    for (const version of VERSIONS) {
      const connected = await answer(t, `CONNECT\naccept-version:${version}\n\n\0`);
      sessions.push(connected.get('session'));
    }
  }
  t.equal(new Set(sessions).size, 30);
  for (const session of sessions) t.match(session, /^[\w.-]+$/, 'clients that never escape can give it back');
});

t.test('C-12 the server header is name and version, and an option hides or replaces it', async (t) => {
  const octets = 'CONNECT\naccept-version:1.2\n\n\0';
  t.match((await answer(t, octets)).get('server'), /^hoofbeat\/\d+\.\d+\.\d+$/);
  const hidden = await startFor(t, { broker: { serverHeader: false } });
  t.equal((await answer(t, octets, hidden)).get('server'), undefined);
  const named = await startFor(t, { broker: { serverHeader: 'mine/2 a comment' } });
  t.equal((await answer(t, octets, named)).get('server'), 'mine/2 a comment');
});

t.test('C-13 CONNECT without host is accepted', async (t) => {
  const strict = await startFor(t, { broker: { virtualHosts: ['a.example'] } });
  for (const version of VERSIONS) {
    for (const to of [port, strict]) {
      t.equal((await answer(t, `CONNECT\naccept-version:${version}\n\n\0`, to)).command, 'CONNECTED');
    }
  }
});

t.test('C-14 an unknown host is accepted by default and refused when virtual hosts are listed', async (t) => {
  const strict = await startFor(t, { broker: { virtualHosts: ['a.example', '/'] } });
  for (const version of VERSIONS) {
    const octets = (host: string): string => `CONNECT\naccept-version:${version}\nhost:${host}\n\n\0`;
    t.equal((await answer(t, octets('anything'))).command, 'CONNECTED');
    t.equal((await answer(t, octets('a.example'), strict)).command, 'CONNECTED');
    t.equal((await answer(t, octets('/'), strict)).command, 'CONNECTED');
    t.equal((await answer(t, octets('b.example'), strict)).get('code'), 'host-unknown');
  }
});

t.test('C-15 a wrong or missing login is answered by ERROR', async (t) => {
  const locked = await startFor(t, { auth: USERS });
  const wrong: Record<string, string>[] = [
    {},
    { login: 'alice' },
    { ...ALICE, passcode: 'x' },
    { ...ALICE, login: 'x' },
  ];
  for (const version of VERSIONS) {
    for (const credentials of [...wrong, { login: 'alice', passcode: BOB.passcode }, { passcode: BOB.passcode }]) {
      const client = await RawClient.openFor(t, locked);
      client.sendFrame('CONNECT', { 'accept-version': version, ...credentials });
      await client.expectError('authentication-failed');
      t.pass(`${version} refuses ${JSON.stringify(credentials)}`);
    }
    await openConnected(t, locked, version, ALICE);
  }
});

t.test('C-16 credentials with colons and backslashes compare literally', async (t) => {
  const locked = await startFor(t, { auth: USERS });
  for (const version of VERSIONS) {
    await openConnected(t, locked, version, ALICE);
    for (const passcode of ['a\\cb\\\\n', 'a:b\n', 'a:b\\\\n', 'a\\cb\\n']) {
      const client = await RawClient.openFor(t, locked);
      client.sendFrame('CONNECT', { 'accept-version': version, login: 'alice', passcode: passcode.replace('\n', '') });
      await client.expectError('authentication-failed');
      t.pass(`${version} refuses ${passcode}`);
    }
  }
});

t.test('C-17 the passcode is in no log line, ERROR frame or trace', async (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  const own = await startTestServer({ http: false, auth: USERS }, { logger });
  t.teardown(() => own.stop());
  const secret = 'tell-nobody-7391';
  for (const version of VERSIONS) {
    const refused = await RawClient.openFor(t, own.tcpPort);
    refused.sendFrame('CONNECT', { 'accept-version': version, login: 'alice', passcode: secret });
    const error = await refused.expectError('authentication-failed');
    t.notMatch(JSON.stringify([error.raw, error.text]), secret);
    const broken = await RawClient.openFor(t, own.tcpPort);
    await broken.send(`CONNECT\naccept-version:${version}\npasscode:${secret}\nheart-beat:x\n\n\0`);
    const fault = await broken.expectError();
    t.notMatch(JSON.stringify([fault.raw, fault.text]), secret);
    const welcome = await openConnected(t, own.tcpPort, version, ALICE);
    welcome.sendFrame('DISCONNECT', { receipt: '1', passcode: secret });
    await welcome.receipt('1');
  }
  t.ok(
    lines.some((line) => line.includes('"CONNECT"') || line.includes('connected')),
    'the log tells of the frames',
  );
  for (const line of lines) t.notMatch(line, secret);
  t.notOk(lines.join('\n').includes(JSON.stringify(ALICE.passcode)));
});

t.test('C-18 frames behind CONNECT wait for asynchronous authentication and then run in order', async (t) => {
  let decide = (): void => undefined;
  const asked = new Promise<void>((resolveAsked) => {
    void startFor(
      t,
      {},
      {
        authenticate: () => {
          resolveAsked();
          return new Promise((resolve) => {
            decide = () => resolve({ name: 'late', roles: [] });
          });
        },
      },
    ).then(async (slow) => {
      const client = await RawClient.openFor(t, slow);
      pipelined = client;
      await client.send(
        'CONNECT\naccept-version:1.2\n\n\0SUBSCRIBE\nid:0\ndestination:/topic/c18\nreceipt:1\n\n\0' +
          'SEND\ndestination:/topic/c18\n\nfirst\0SEND\ndestination:/topic/c18\nreceipt:2\n\nsecond\0',
      );
      await client.send('SEND\ndestination:/topic/c18\n\nthird\0');
    });
  });
  let pipelined: RawClient | null = null;
  await asked;
  const client = pipelined as RawClient | null;
  if (client === null) throw new Error('no client');
  t.equal(client.unread, 0, 'nothing is answered yet');
  decide();
  await client.frame('CONNECTED');
  const frames = [];
  for (let k = 0; k < 5; k++) frames.push(await client.frame());
  t.same(
    frames.filter(({ command }) => command === 'MESSAGE').map(({ text }) => text),
    ['first', 'second', 'third'],
  );
  t.same(
    frames.filter(({ command }) => command === 'RECEIPT').map((frame) => frame.get('receipt-id')),
    ['1', '2'],
  );
  t.equal(frames[0]?.get('receipt-id'), '1');
});

t.test('C-18 after a failed login none of the frames behind CONNECT runs', async (t) => {
  const authenticator: Authenticator = {
    authenticate: async (request: ConnectRequest) => {
      await new Promise(setImmediate);
      if (request.login !== 'good') throw new BrokerError('authentication-failed', 'No');
      return { name: 'good', roles: [] };
    },
  };
  const slow = await startFor(t, {}, authenticator);
  const watcher = await openConnected(t, slow, '1.2', { login: 'good' });
  await watcher.subscribe('/topic/c18');
  const intruder = await RawClient.openFor(t, slow);
  await intruder.send('CONNECT\naccept-version:1.2\nlogin:bad\n\n\0SEND\ndestination:/topic/c18\nreceipt:1\n\nnever\0');
  await intruder.send('SEND\ndestination:/topic/c18\n\nnever\0');
  await intruder.expectError('authentication-failed');
  await watcher.fence();
});

t.test('C-19 a connection without CONNECT is closed after a time that line feeds do not extend', async (t) => {
  const hasty = await startFor(t, { broker: { limits: { connectTimeoutMs: 300 } } });
  const from = performance.now();
  const silent = await RawClient.openFor(t, hasty);
  const chatty = await RawClient.openFor(t, hasty);
  const partial = await RawClient.openFor(t, hasty);
  const timer = setInterval(() => {
    void chatty.send('\n');
    void partial.send('C');
  }, 50);
  // Half a command line, then nothing that completes it.
  await partial.send('CONNECT\n');
  t.teardown(() => clearInterval(timer));
  const inGoodTime = await RawClient.openFor(t, hasty);
  await inGoodTime.connect('1.2');
  await silent.expectError('connect-timeout');
  await chatty.expectError('connect-timeout');
  await partial.expectError('connect-timeout');
  t.ok(performance.now() - from >= 250, 'not before its time');
  await inGoodTime.fence();
});

t.test('C-20 receipt on CONNECT is not answered', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version, { receipt: 'connect-1' });
    await client.fence();
  }
});

t.test('C-21 request-id on CONNECT comes back as response-id', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    const connected = await client.connect(version, { 'request-id': 'r-17' });
    t.equal(connected.get('response-id'), 'r-17');
    const plain = await RawClient.openFor(t, port);
    t.equal((await plain.connect(version)).get('response-id'), undefined);
  }
});

t.test('C-22 a client-id moves to its newest connection of the same user and is refused to another', async (t) => {
  const locked = await startFor(t, { auth: USERS });
  for (const version of VERSIONS) {
    const clientId = `device-${version}`;
    const first = await openConnected(t, locked, version, { ...ALICE, 'client-id': clientId });
    const stranger = await RawClient.openFor(t, locked);
    stranger.sendFrame('CONNECT', { 'accept-version': version, ...BOB, 'client-id': clientId });
    await stranger.expectError('client-id-in-use');
    await first.fence();
    const second = await openConnected(t, locked, version, { ...ALICE, 'client-id': clientId });
    await first.expectError('client-id-displaced');
    await second.fence();
    second.sendFrame('DISCONNECT', { receipt: '1' });
    await second.receipt('1');
    await second.closed();
    await openConnected(t, locked, version, { ...BOB, 'client-id': clientId });
  }
});

t.test('C-25 heart-beat in CONNECTED holds the two numbers of the server', async (t) => {
  const own = await startFor(t, { broker: { heartBeat: { sendMs: 20_000, receiveMs: 30_000 } } });
  for (const version of ['1.1', '1.2']) {
    for (const offer of ['', 'heart-beat:0,0\n', 'heart-beat:5,7\n', 'heart-beat:60000,90000\n']) {
      const connected = await answer(t, `CONNECT\naccept-version:${version}\n${offer}\n\0`, own);
      t.equal(connected.get('heart-beat'), '20000,30000', `${version} ${offer}`);
    }
  }
});

t.test('C-32 a malformed heart-beat header is answered by ERROR', async (t) => {
  for (const version of ['1.1', '1.2']) {
    for (const value of [
      'abc',
      '10',
      '1,2,3',
      '-1,0',
      '0,-1',
      '1.5,0',
      '',
      ',',
      '1,',
      ',1',
      '1e3,0',
      '0x10,0',
      '1;2',
    ]) {
      const error = await answer(t, `CONNECT\naccept-version:${version}\nheart-beat:${value}\n\n\0`);
      t.equal(error.get('code'), 'heart-beat-invalid', `${version} ${value}`);
    }
  }
});

t.test('C-36 a thousand rapid connections leave nothing behind', async (t) => {
  const own = await startTestServer({ http: false, broker: { heartBeat: { sendMs: 100, receiveMs: 100 } } });
  t.teardown(() => own.stop());
  const { broker } = own.server;
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length;
  const before = sockets();
  const cycle = async (index: number): Promise<void> => {
    const client = await RawClient.open(own.tcpPort);
    const closed = new Promise((resolve) => client.socket.once('close', resolve));
    if (index % 4 === 0) client.destroy();
    else {
      // Long enough for none to be missed on a machine that has other things to do.
      await client.connect(VERSIONS[index % 3] ?? '1.2', { 'heart-beat': '10000,10000' });
      if (index % 4 === 1) client.destroy();
      if (index % 4 === 2) client.end();
      if (index % 4 === 3) {
        await client.subscribe('/topic/c36');
        client.sendFrame('DISCONNECT', { receipt: 'bye' });
        await client.receipt('bye');
      }
    }
    await closed;
  };
  for (let batch = 0; batch < 20; batch++) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => cycle(index)));
  }
  // The server hears of the last ends in turns of their own.
  await inTime(
    new Promise<void>((resolve) => {
      const look = (): void => {
        if (broker.stats().connections.current === 0 && sockets() <= before) resolve();
        else setTimeout(look, 10);
      };
      look();
    }),
    'every session and socket to be gone',
  );
  t.equal(broker.stats().connections.total, 1_000);
  t.equal(broker.stats().subscriptions, 0);
});
