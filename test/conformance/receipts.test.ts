/** Conformance: receipts, and the way a client says goodbye. */
import t, { type Test } from 'tap';
import { openConnected, VERSIONS, type RawClient, type Version } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

/** A server whose SENDs take effect only when the test lets them, one by one. */
async function startSlow(t: Test): Promise<{ server: TestServer; arrived: Promise<void>; letGo: () => void }> {
  const own = await startTestServer({ http: false });
  t.teardown(() => own.stop());
  let letGo = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    own.server.broker.interceptInbound(async (frame) => {
      if (frame.headers.get('slow') === undefined) return frame;
      resolve();
      await released;
      return frame;
    });
  });
  return { server: own, arrived, letGo };
}

/** Settles one message of a queue and returns the headers ACK or NACK needs on that version. */
async function takeOne(client: RawClient, version: Version, queue: string): Promise<Record<string, string>> {
  client.sendFrame('SEND', { destination: queue }, 'work');
  const message = await client.frame('MESSAGE');
  if (version === '1.2') return { id: message.getRaw('ack') ?? '' };
  return { 'message-id': message.getRaw('message-id') ?? '', subscription: message.getRaw('subscription') ?? '' };
}

t.test('R-01 receipt on every client frame but CONNECT is answered by one RECEIPT', async (t) => {
  for (const version of VERSIONS) {
    const queue = `/queue/r01.${version}`;
    const client = await openConnected(t, port, version);
    const ask = async (command: string, headers: Record<string, string>): Promise<void> => {
      client.sendFrame(command, { ...headers, receipt: `r-${command}` });
      await client.receipt(`r-${command}`);
      t.pass(`${command} on ${version}`);
    };
    await ask('SEND', { destination: '/topic/r01' });
    await ask('SUBSCRIBE', { id: 'q', destination: queue, ack: 'client-individual' });
    await ask('ACK', await takeOne(client, version, queue));
    if (version !== '1.0') {
      const pending = await takeOne(client, version, queue);
      client.sendFrame('NACK', { ...pending, receipt: 'r-NACK' });
      // The message comes back, as nobody else takes it.
      const frames = [await client.frame(), await client.frame()];
      t.same(frames.map(({ command }) => command).sort(), ['MESSAGE', 'RECEIPT'], `NACK on ${version}`);
      t.equal(frames.find(({ command }) => command === 'RECEIPT')?.get('receipt-id'), 'r-NACK');
    }
    await ask('UNSUBSCRIBE', { id: 'q' });
    await ask('BEGIN', { transaction: 'a' });
    await ask('COMMIT', { transaction: 'a' });
    await ask('BEGIN', { transaction: 'b' });
    await ask('ABORT', { transaction: 'b' });
    await client.fence();
    await ask('DISCONNECT', {});
    await client.closed();
  }
});

t.test('R-02 receipt-id equals receipt, escaped anew by the version', async (t) => {
  const values = {
    '1.0': ['plain', 'a:b', 'back\\slash', 'é€😀', 'in ner'],
    '1.1': ['plain', 'a\\cb', 'back\\\\slash', 'line\\nfeed', 'é€😀', ' blank '],
    '1.2': ['plain', 'a\\cb', 'back\\\\slash', 'line\\nfeed', 'cr\\r', 'é€😀', ' blank '],
  };
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    for (const value of values[version]) {
      client.sendFrame('SEND', { destination: '/topic/r02', receipt: value });
      t.equal((await client.frame('RECEIPT')).getRaw('receipt-id'), value, version);
    }
  }
  const client = await openConnected(t, port, '1.2');
  client.sendFrame('SEND', { destination: '/topic/r02', receipt: 'a:b' });
  t.equal((await client.frame('RECEIPT')).getRaw('receipt-id'), 'a\\cb', 'a raw colon leaves escaped');
});

t.test('R-03 RECEIPT has no body', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    client.sendFrame('SEND', { destination: '/topic/r03', receipt: '1', 'content-type': 'text/plain' }, 'a body');
    const receipt = await client.receipt('1');
    t.equal(receipt.body.length, 0);
    t.match(receipt.get('content-length') ?? '0', /^0$/);
  }
});

t.test('R-04 without receipt there is no RECEIPT', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    client.sendFrame('SEND', { destination: '/topic/r04' });
    client.sendFrame('SUBSCRIBE', { id: '0', destination: '/topic/r04.b' });
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('ABORT', { transaction: 't' });
    client.sendFrame('UNSUBSCRIBE', { id: '0' });
    await client.fence();
  }
});

t.test('R-05 a refused frame gets no RECEIPT but an ERROR with its receipt-id', async (t) => {
  const wrong: Record<string, Record<string, string>> = {
    SEND: {},
    SUBSCRIBE: { id: '0' },
    UNSUBSCRIBE: { id: 'nobody' },
    ACK: { id: 'x', 'message-id': 'x', subscription: 'x' },
    NACK: { id: 'x', 'message-id': 'x', subscription: 'x' },
    BEGIN: {},
    COMMIT: { transaction: 'x' },
    ABORT: { transaction: 'x' },
    CONNECT: {},
  };
  for (const version of VERSIONS) {
    for (const [command, headers] of Object.entries(wrong)) {
      const client = await openConnected(t, port, version);
      client.sendFrame(command, { ...headers, receipt: 'r-5' });
      t.equal((await client.expectError()).get('receipt-id'), 'r-5', `${command} on ${version}`);
    }
  }
});

t.test('R-06 the RECEIPT of SEND follows its acceptance', async (t) => {
  const slow = await startSlow(t);
  const sender = await openConnected(t, slow.server.tcpPort, '1.2');
  const watcher = await openConnected(t, slow.server.tcpPort, '1.2');
  sender.sendFrame('SEND', { destination: '/queue/r06', receipt: '1', slow: 'yes' }, 'work');
  await slow.arrived;
  await watcher.fence();
  t.equal(sender.unread, 0, 'not while it is being worked on');
  slow.letGo();
  await sender.receipt('1');
  await watcher.subscribe('/queue/r06');
  t.equal((await watcher.frame('MESSAGE')).text, 'work');
});

t.test('R-07 the RECEIPT of a frame tells that all frames before it were received', async (t) => {
  const watcher = await openConnected(t, port, '1.2');
  for (const version of VERSIONS) {
    const queue = `/queue/r07.${version}`;
    const sender = await openConnected(t, port, version);
    const burst = `SEND\ndestination:${queue}\n\nx\0`.repeat(1_000);
    await sender.send(`${burst}SEND\ndestination:/topic/r07\nreceipt:last\n\n\0`);
    await sender.receipt('last');
    sender.destroy();
    await watcher.subscribe(queue, version);
    t.equal((await watcher.messages(1_000)).length, 1_000);
    await watcher.fence();
  }
});

t.test('R-08 RECEIPTs come in the order of their frames', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const frames = Array.from({ length: 500 }, (_, k) => {
      if (k % 3 === 0) return `SUBSCRIBE\nid:${k}\ndestination:/topic/r08.${k}\nreceipt:${k}\n\n\0`;
      return `SEND\ndestination:/${k % 3 === 1 ? 'topic' : 'queue'}/r08.x\nreceipt:${k}\n\n\0`;
    });
    await client.send(frames.join(''));
    for (let k = 0; k < frames.length; k++) await client.receipt(String(k));
    t.pass(version);
  }
  const slow = await startSlow(t);
  const client = await openConnected(t, slow.server.tcpPort, '1.2');
  client.sendFrame('SEND', { destination: '/topic/r08', receipt: 'slow', slow: 'yes' });
  client.sendFrame('SEND', { destination: '/topic/r08', receipt: 'fast' });
  await slow.arrived;
  t.equal(client.unread, 0);
  slow.letGo();
  await client.receipt('slow');
  await client.receipt('fast');
});

t.test('R-09 SEND to a topic without subscribers still gets its RECEIPT', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    client.sendFrame('SEND', { destination: '/topic/r09.nobody', receipt: '1' });
    await client.receipt('1');
    t.pass(version);
  }
});

t.test('R-10 the RECEIPT of DISCONNECT is the last frame, then the connection ends in order', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const sender = await openConnected(t, port, version);
    await client.subscribe('/topic/r10');
    void sender.send(`SEND\ndestination:/topic/r10\n\n${'x'.repeat(1_000)}\0`.repeat(1_000));
    await client.frame('MESSAGE');
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    let frame = await client.frame();
    while (frame.command === 'MESSAGE') frame = await client.frame();
    t.equal(frame.command, 'RECEIPT');
    t.equal(frame.get('receipt-id'), 'bye');
    await client.closed();
  }
});

t.test('R-11 frames behind DISCONNECT are ignored and nothing is delivered after it', async (t) => {
  for (const version of VERSIONS) {
    const watcher = await openConnected(t, port, version);
    await watcher.subscribe('/topic/r11');
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/r11.own');
    const ignored =
      'SEND\ndestination:/topic/r11\nreceipt:2\n\nnever\0SEND\ndestination:/topic/r11.own\n\nnever\0WRONG\n\n\0';
    await client.send(`DISCONNECT\nreceipt:1\n\n\0${ignored}`);
    // Once it is answered: until then it is open which of two connections the broker reads first.
    await client.receipt('1');
    watcher.sendFrame('SEND', { destination: '/topic/r11.own' }, 'late');
    await client.closed();
    await watcher.fence();
  }
});

t.test('R-12 DISCONNECT without receipt ends the connection without a frame', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    client.sendFrame('DISCONNECT');
    await client.closed();
    t.equal(client.unread, 0);
  }
});

t.test('R-13 the RECEIPT of DISCONNECT comes after those of frames still being worked on', async (t) => {
  const slow = await startSlow(t);
  for (const version of VERSIONS) {
    const client = await openConnected(t, slow.server.tcpPort, version);
    await client.send(
      'SEND\ndestination:/topic/r13\nreceipt:slow\nslow:yes\n\n\0SEND\ndestination:/topic/r13\nreceipt:fast\n\n\0' +
        'DISCONNECT\nreceipt:bye\n\n\0',
    );
    await slow.arrived;
    t.notOk(client.hasEnded);
    slow.letGo();
    for (const receipt of ['slow', 'fast', 'bye']) await client.receipt(receipt);
    await client.closed();
  }
});

t.test('R-14 the same receipt twice gives two RECEIPTs, an empty one an empty receipt-id', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    for (const receipt of ['same', 'same', '']) client.sendFrame('SEND', { destination: '/topic/r14', receipt });
    for (const receipt of ['same', 'same', '']) await client.receipt(receipt);
    await client.fence();
  }
});

t.test('R-15 frames received before an abrupt close are still processed', async (t) => {
  const watcher = await openConnected(t, port, '1.2');
  await watcher.subscribe('/topic/r15');
  for (const version of VERSIONS) {
    const sender = await openConnected(t, port, version);
    await sender.send('SEND\ndestination:/topic/r15\n\nx\0'.repeat(100));
    sender.destroy();
    t.equal((await watcher.messages(100)).length, 100);
  }
  await watcher.fence();
});
