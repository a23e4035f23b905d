/** Conformance S-01 to S-27: SUBSCRIBE, UNSUBSCRIBE, SEND and MESSAGE. */
import t, { type Test } from 'tap';
import { BrokerError } from '../../broker/index.js';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({ http: false });
const port = server.tcpPort;
t.teardown(() => server.stop());

async function refuses(t: Test, version: Version, octets: string, code: string, to = port): Promise<void> {
  const client = await openConnected(t, to, version);
  await client.send(octets);
  await client.expectError(code);
  t.pass(`${version} refuses ${JSON.stringify(octets)}`);
}

function texts(frames: readonly ReceivedFrame[]): string[] {
  return frames.map(({ text }) => text);
}

t.test('S-01 SEND and SUBSCRIBE without destination are answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'SEND\n\nbody\0', 'header-missing');
    await refuses(t, version, 'SEND\nx:1\n\nbody\0', 'header-missing');
    await refuses(t, version, 'SUBSCRIBE\nid:0\n\n\0', 'header-missing');
  }
});

t.test('S-02 an empty destination is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'SEND\ndestination:\n\nbody\0', 'header-missing');
    await refuses(t, version, 'SUBSCRIBE\nid:0\ndestination:\n\n\0', 'header-missing');
  }
});

t.test('S-03 on 1.1 and 1.2 SUBSCRIBE without id is answered by ERROR', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    await refuses(t, version, 'SUBSCRIBE\ndestination:/topic/a\n\n\0', 'header-missing');
  }
});

t.test('S-04 on 1.1 and 1.2 a second SUBSCRIBE with an id in use is answered by ERROR', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    const subscribe = (destination: string): string => `SUBSCRIBE\nid:7\ndestination:${destination}\n\n\0`;
    await refuses(t, version, subscribe('/topic/a') + subscribe('/topic/b'), 'subscription-exists');
    await refuses(t, version, subscribe('/topic/a') + subscribe('/topic/a'), 'subscription-exists');
  }
});

t.test('S-05 an id is free again after UNSUBSCRIBE and means nothing on another connection', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const other = await openConnected(t, port, version);
    await other.subscribe('/topic/s05.other', '7');
    await client.subscribe('/topic/s05.first', '7');
    client.sendFrame('UNSUBSCRIBE', { id: '7' });
    await client.subscribe('/topic/s05.second', '7');
    for (const name of ['first', 'other', 'second'])
      client.sendFrame('SEND', { destination: `/topic/s05.${name}` }, name);
    t.equal((await client.frame('MESSAGE')).text, 'second');
    t.equal((await other.frame('MESSAGE')).text, 'other');
    await client.fence();
    await other.fence();
  }
});

t.test('S-06 on 1.0 the id may be missing, and then MESSAGE has no subscription header', async (t) => {
  const client = await openConnected(t, port, '1.0');
  client.sendFrame('SUBSCRIBE', { destination: '/topic/s06.without' });
  client.sendFrame('SUBSCRIBE', { destination: '/topic/s06.with', id: 'mine' });
  client.sendFrame('SEND', { destination: '/topic/s06.without' }, 'a');
  client.sendFrame('SEND', { destination: '/topic/s06.with' }, 'b');
  const [without, withId] = await client.messages(2);
  t.equal(without?.get('subscription'), undefined);
  t.equal(withId?.get('subscription'), 'mine');
});

t.test('S-07 on 1.0 two SUBSCRIBEs without id to one destination are answered by ERROR', async (t) => {
  const subscribe = 'SUBSCRIBE\ndestination:/topic/s07\n\n\0';
  await refuses(t, '1.0', subscribe + subscribe, 'subscription-exists');
});

t.test('S-08 UNSUBSCRIBE needs id, on 1.0 id or destination', async (t) => {
  for (const version of ['1.1', '1.2'] as const) {
    const subscribe = 'SUBSCRIBE\nid:0\ndestination:/topic/s08\n\n\0';
    await refuses(t, version, `${subscribe}UNSUBSCRIBE\ndestination:/topic/s08\n\n\0`, 'header-missing');
  }
  await refuses(t, '1.0', 'SUBSCRIBE\ndestination:/topic/s08\n\n\0UNSUBSCRIBE\n\n\0', 'header-missing');
  const old = await openConnected(t, port, '1.0');
  old.sendFrame('SUBSCRIBE', { destination: '/topic/s08' });
  old.sendFrame('SUBSCRIBE', { destination: '/topic/s08.id', id: 'a' });
  old.sendFrame('UNSUBSCRIBE', { destination: '/topic/s08', receipt: '1' });
  old.sendFrame('UNSUBSCRIBE', { id: 'a', receipt: '2' });
  await old.receipt('1');
  await old.receipt('2');
  old.sendFrame('SEND', { destination: '/topic/s08' });
  old.sendFrame('SEND', { destination: '/topic/s08.id' });
  await old.fence();
});

t.test('S-09 UNSUBSCRIBE with an unknown id is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    await refuses(t, version, 'UNSUBSCRIBE\nid:9\n\n\0', 'subscription-unknown');
    const once = 'SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0UNSUBSCRIBE\nid:0\n\n\0';
    await refuses(t, version, `${once}UNSUBSCRIBE\nid:0\n\n\0`, 'subscription-unknown');
  }
});

t.test('S-10 no MESSAGE of a subscription follows the RECEIPT of its UNSUBSCRIBE', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const sender = await openConnected(t, port, version);
    await client.subscribe('/topic/s10');
    const burst = `SEND\ndestination:/topic/s10\n\n${'x'.repeat(100)}\0`.repeat(2_000);
    void sender.send(burst);
    await client.frame('MESSAGE');
    client.sendFrame('UNSUBSCRIBE', { id: '0', receipt: 'gone' });
    void sender.send(burst);
    let frame = await client.frame();
    while (frame.command === 'MESSAGE') frame = await client.frame();
    t.equal(frame.get('receipt-id'), 'gone');
    await sender.fence();
    await client.fence();
  }
});

t.test('S-11 what a removed subscription left unsettled goes to another subscriber of the queue at once', async (t) => {
  for (const version of VERSIONS) {
    const destination = `/queue/s11.${version}`;
    const first = await openConnected(t, port, version);
    const second = await openConnected(t, port, version);
    await first.subscribe(destination, 'a', { ack: 'client-individual' });
    for (const body of ['1', '2', '3']) first.sendFrame('SEND', { destination }, body);
    t.same(texts(await first.messages(3)), ['1', '2', '3']);
    await second.subscribe(destination, 'b', { ack: 'client-individual' });
    first.sendFrame('UNSUBSCRIBE', { id: 'a', receipt: 'u' });
    await first.receipt('u');
    t.same(texts(await second.messages(3)), ['1', '2', '3'], 'in their order');
    await first.fence();
  }
});

t.test('S-11 ACK and NACK behind UNSUBSCRIBE find nothing to do and are no fault', async (t) => {
  for (const version of VERSIONS) {
    for (const verb of version === '1.0' ? ['ACK'] : ['ACK', 'NACK']) {
      const destination = `/queue/s11.late.${verb}.${version}`;
      const client = await openConnected(t, port, version);
      await client.subscribe(destination, 'a', { ack: 'client' });
      client.sendFrame('SEND', { destination }, '1');
      const [message] = await client.messages(1);
      client.sendFrame('UNSUBSCRIBE', { id: 'a' });
      const id = message?.getRaw('ack') ?? '';
      const headers = { id, 'message-id': message?.getRaw('message-id') ?? '', subscription: 'a' };
      client.sendFrame(verb, { ...headers, receipt: 'late' });
      await client.receipt('late');
      await client.subscribe(destination, 'b', { ack: 'client-individual' });
      const [again] = await client.messages(1);
      t.equal(again?.text, '1', 'it was not settled');
      client.sendFrame('ACK', { id: '99-1', 'message-id': 'x-1', subscription: 'b' });
      await client.expectError('ack-unknown');
    }
  }
});

t.test('S-12 ack is auto when missing, and auto, client and client-individual are accepted', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s12', 'none');
    for (const ack of ['auto', 'client', 'client-individual']) await client.subscribe('/topic/s12', ack, { ack });
    client.sendFrame('SEND', { destination: '/topic/s12' });
    const messages = await client.messages(4);
    t.equal(new Set(messages.map((message) => message.get('subscription'))).size, 4);
    for (const message of messages) {
      const mode = message.get('subscription') ?? '';
      // 1.2 acknowledges by this header; 1.0 and 1.1 know none of it and ignore it.
      if (version === '1.2') t.equal(message.get('ack') !== undefined, mode.startsWith('client'), mode);
    }
  }
});

t.test('S-13 any other ack value is answered by ERROR', async (t) => {
  for (const version of VERSIONS) {
    for (const ack of ['', 'Auto', 'AUTO', 'client_individual', 'none', 'true']) {
      await refuses(t, version, `SUBSCRIBE\nid:0\ndestination:/topic/a\nack:${ack}\n\n\0`, 'header-invalid');
    }
  }
});

t.test('S-14 a refused SUBSCRIBE is answered by ERROR and leaves no subscription', async (t) => {
  const own = await startTestServer({ http: false, broker: { compat: 'strict' } });
  t.teardown(() => own.stop());
  own.server.broker.interceptInbound((frame) => {
    if (frame.headers.get('destination') === '/topic/secret') throw new BrokerError('access-denied', 'Not for you');
    return frame;
  });
  const destinations = {
    '/topic/secret': 'access-denied',
    '/nowhere/x': 'destination-unknown',
    '/queue/*': 'destination-invalid',
    [`/topic/${'x'.repeat(5_000)}`]: 'destination-invalid',
  };
  for (const version of VERSIONS) {
    for (const [destination, code] of Object.entries(destinations)) {
      await refuses(t, version, `SUBSCRIBE\nid:0\ndestination:${destination}\n\n\0`, code, own.tcpPort);
      t.equal(own.server.broker.stats().subscriptions, 0);
    }
  }
});

t.test('S-15 the RECEIPT of SUBSCRIBE comes before its first MESSAGE and tells that it is live', async (t) => {
  for (const version of VERSIONS) {
    const destination = `/queue/s15.${version}`;
    const sender = await openConnected(t, port, version);
    sender.sendFrame('SEND', { destination, receipt: 'kept' }, 'waiting');
    await sender.receipt('kept');
    const client = await openConnected(t, port, version);
    client.sendFrame('SUBSCRIBE', { id: '0', destination, receipt: 'live' });
    await client.receipt('live');
    t.equal((await client.frame('MESSAGE')).text, 'waiting');
    for (let k = 0; k < 20; k++) {
      await client.subscribe('/topic/s15', `t${k}`);
      sender.sendFrame('SEND', { destination: '/topic/s15' }, String(k));
      t.same(new Set(texts(await client.messages(k + 1))), new Set([String(k)]));
    }
  }
});

t.test('S-16 MESSAGE has destination, a unique message-id and, on 1.1 and 1.2, subscription', async (t) => {
  const ids = new Set<string | undefined>();
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s16', 'sub-1');
    for (let k = 0; k < 50; k++) client.sendFrame('SEND', { destination: '/topic/s16' });
    for (const message of await client.messages(50)) {
      t.equal(message.get('destination'), '/topic/s16');
      t.equal(message.get('subscription'), 'sub-1');
      ids.add(message.get('message-id'));
    }
  }
  t.equal(ids.size, 150);
  t.notOk(ids.has(undefined));
});

t.test('S-17 the destination of MESSAGE is that of SEND, octet for octet, also for patterns', async (t) => {
  const destinations = [
    '/topic/s17/a%2Fb',
    '/topic/s17/é€😀',
    '/topic/s17/ blank ',
    '/topic/s17/a//b/',
    '/topic/s17/A.b,c;d=e',
  ];
  for (const version of ['1.1', '1.2'] as const) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s17/**', 'pattern');
    for (const destination of destinations) {
      client.sendFrame('SEND', { destination });
      const message = await client.frame('MESSAGE');
      t.equal(message.getRaw('destination'), destination);
      t.equal(message.get('subscription'), 'pattern');
    }
    client.sendFrame('SEND', { destination: '/topic/s17/x\\cy' });
    t.equal((await client.frame('MESSAGE')).get('destination'), '/topic/s17/x:y');
  }
});

t.test('S-18 each matching subscription of a connection gets its own MESSAGE', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s18/a', 'literal', { ack: 'client' });
    await client.subscribe('/topic/s18/a', 'again', { ack: 'client-individual' });
    await client.subscribe('/topic/s18/*', 'star', { ack: 'client' });
    await client.subscribe('/topic/**', 'rest');
    client.sendFrame('SEND', { destination: '/topic/s18/a' }, 'x');
    const messages = await client.messages(4);
    t.same(messages.map((message) => message.get('subscription')).sort(), ['again', 'literal', 'rest', 'star']);
    t.same(new Set(texts(messages)), new Set(['x']));
    if (version === '1.2') {
      const acks = messages.map((message) => message.get('ack')).filter((ack) => ack !== undefined);
      t.equal(new Set(acks).size, 3, 'each its own ack value');
    }
  }
});

t.test('S-19 headers of the sender appear in MESSAGE unchanged and in order', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s19');
    const own = { 'x-b': '2', 'x-a': '1', 'reply-to': '/queue/r', 'correlation-id': 'c-1', 'X-Case': 'Mixed', é: '€' };
    client.sendFrame('SEND', { destination: '/topic/s19', ...own });
    const message = await client.frame('MESSAGE');
    t.same(
      message.headers.filter(([name]) => name in own),
      Object.entries(own),
    );
  }
});

t.test('S-20 headers of the server win over those of the sender', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s20', 'mine');
    const forged = { subscription: 'forged', 'message-id': 'forged', ack: 'forged', redelivered: 'forged' };
    client.sendFrame('SEND', { ...forged, destination: '/topic/s20', 'content-length': '4' }, 'body');
    const message = await client.frame('MESSAGE');
    t.equal(message.get('subscription'), 'mine');
    t.equal(message.get('destination'), '/topic/s20');
    t.equal(message.get('content-length'), '4');
    t.notOk(message.raw.some(([, value]) => value === 'forged'));
    for (const name of ['subscription', 'message-id', 'destination', 'content-length']) {
      t.equal(message.raw.filter(([key]) => key === name).length, 1, `one ${name}`);
    }
  }
});

t.test('S-21 receipt and transaction of SEND are not relayed', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const watcher = await openConnected(t, port, version);
    await watcher.subscribe('/topic/s21');
    client.sendFrame('SEND', { destination: '/topic/s21', receipt: 'r' });
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { destination: '/topic/s21', transaction: 't', receipt: 's' });
    client.sendFrame('COMMIT', { transaction: 't' });
    for (const message of await watcher.messages(2)) {
      t.equal(message.get('receipt'), undefined);
      t.equal(message.get('transaction'), undefined);
    }
  }
});

t.test('S-22 content-type is relayed as given and not invented', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s22');
    const type = 'application/json;charset=utf-8; x=1';
    client.sendFrame('SEND', { destination: '/topic/s22', 'content-type': type }, '{}');
    client.sendFrame('SEND', { destination: '/topic/s22' }, '{}');
    const [typed, untyped] = await client.messages(2);
    t.equal(typed?.get('content-type'), type);
    t.equal(untyped?.get('content-type'), undefined);
  }
});

t.test('S-23 MESSAGE has content-length, also when SEND had none', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s23');
    client.sendFrame('SEND', { destination: '/topic/s23' }, 'é€');
    client.sendFrame('SEND', { destination: '/topic/s23', x: 'needs\\\\care', 'content-type': 'a:b' }, 'é€');
    for (const message of await client.messages(2)) t.equal(message.get('content-length'), '5');
  }
});

t.test('S-24 the order of one sender is kept for each subscriber', async (t) => {
  const count = 1_000;
  const subscribers = [];
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/s24');
    subscribers.push(client);
  }
  for (const name of ['a', 'b']) {
    const sender = await openConnected(t, port, '1.2');
    const frames = Array.from({ length: count }, (_, index) => {
      // Every third needs escapes, so that both ways a message can be encoded take part.
      const extra = index % 3 === 0 ? 'x:a\\nb\n' : '';
      return `SEND\ndestination:/topic/s24\n${extra}\n${name}${index}\0`;
    });
    void sender.send(frames.join(''));
  }
  for (const client of subscribers) {
    const bodies = texts(await client.messages(2 * count));
    for (const name of ['a', 'b']) {
      const wanted = Array.from({ length: count }, (_, index) => `${name}${index}`);
      t.same(
        bodies.filter((body) => body.startsWith(name)),
        wanted,
      );
    }
  }
});

t.test('S-25 messages sent before DISCONNECT or a plain close are all processed', async (t) => {
  const count = 10_000;
  const watcher = await openConnected(t, port, '1.2');
  await watcher.subscribe('/topic/s25');
  const burst = 'SEND\ndestination:/topic/s25\n\nx\0'.repeat(count);
  const polite = await openConnected(t, port, '1.2');
  await polite.send(`${burst}DISCONNECT\n\n\0`);
  t.equal((await watcher.messages(count)).length, count);
  const hasty = await openConnected(t, port, '1.2');
  void hasty.send(burst);
  hasty.end();
  t.equal((await watcher.messages(count)).length, count);
  await watcher.fence();
});

t.test('S-26 a subscriber that does not read is closed and others are served on', async (t) => {
  const limits = { highWaterBytes: 256 * 1024, softLimitBytes: 1024 * 1024, hardLimitBytes: 4 * 1024 * 1024 };
  const own = await startTestServer({ http: false, broker: { outbox: limits } });
  t.teardown(() => own.stop());
  const slow = await openConnected(t, own.tcpPort, '1.2');
  const fast = await openConnected(t, own.tcpPort, '1.2');
  await slow.subscribe('/topic/s26');
  await fast.subscribe('/topic/s26');
  slow.socket.pause();
  const sender = await openConnected(t, own.tcpPort, '1.2');
  const body = 'x'.repeat(100_000);
  for (let k = 0; k < 300; k++) {
    sender.sendFrame('SEND', { destination: '/topic/s26' }, body);
    await fast.frame('MESSAGE');
  }
  t.equal(own.server.broker.stats().closed['slow-consumer'], 1);
  t.equal(own.server.broker.stats().subscriptions, 1);
  await fast.fence();
});

t.test('S-27 a failed SEND is answered by ERROR', async (t) => {
  const own = await startTestServer({
    http: false,
    broker: { compat: 'strict', limits: { frame: { maxBodyBytes: 1_000 } }, queueDefaults: { maxMessages: 2 } },
  });
  t.teardown(() => own.stop());
  own.server.broker.interceptInbound((frame) => {
    if (frame.headers.get('destination') === '/topic/secret') throw new BrokerError('access-denied', 'Not for you');
    return frame;
  });
  for (const version of VERSIONS) {
    const send = (destination: string, body = 'x'): string =>
      `SEND\ndestination:${destination}\nreceipt:1\n\n${body}\0`;
    await refuses(t, version, send('/topic/secret'), 'access-denied', own.tcpPort);
    await refuses(t, version, send('/nowhere/x'), 'destination-unknown', own.tcpPort);
    await refuses(t, version, send('/topic/a', 'x'.repeat(1_001)), 'body-too-long', own.tcpPort);
    const filler = await RawClient.openFor(t, own.tcpPort);
    await filler.connect(version);
    await filler.send(send(`/queue/s27.${version}`).repeat(2));
    await filler.receipt('1');
    await filler.receipt('1');
    await filler.send(send(`/queue/s27.${version}`));
    await filler.expectError('queue-full');
  }
});
