import t from 'tap';
import { BrokerFixture, type FixtureClient } from '../helpers/broker-fixture.js';
import { RAW } from '../helpers/memory-connection.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { header } from '../helpers/server-frames.js';
import type { Framing } from '../../broker/ports.js';
import { seedOf } from '../helpers/seed.js';

const ARENA_BYTES = 1024 * 1024;

/** A framing with a prefix of 4 octets that holds the length, and a `>` behind: what a WebSocket does to frames. */
function framed(splittable: boolean, kinds: boolean[] = []): Framing {
  return {
    maxOverheadBytes: 5,
    splittable,
    encode: null,
    open(target, at, lengthBytes, text) {
      kinds.push(text);
      return target.writeUInt32BE(lengthBytes, at);
    },
    close(target, at) {
      target[at] = 0x3e;
      return at + 1;
    },
  };
}

/** The STOMP frames inside. */
function unframe(octets: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < octets.length;) {
    const end = at + 4 + octets.readUInt32BE(at);
    frames.push(octets.subarray(at + 4, end));
    if (octets[end] !== 0x3e) throw new Error('no end where the length says');
    at = end + 1;
  }
  return frames;
}

t.test('everything of one turn leaves in one write per connection', async (t) => {
  const fixture = new BrokerFixture();
  const clients = Array.from({ length: 20 }, () => fixture.connect());
  for (const client of clients) for (const id of ['a', 'b']) client.subscribe(id, '/topic/a', { receipt: id });
  for (const client of clients) client.frames();
  const sender = fixture.connect();
  const before = clients.map(({ connection }) => connection.writes);
  for (let k = 0; k < 50; k++) sender.publish('/topic/a', String(k));
  t.strictSame(
    clients.map(({ connection }) => connection.writes),
    before,
    'nothing is written within the turn',
  );
  fixture.clock.turn();
  t.strictSame(
    clients.map(({ connection }) => connection.writes),
    before.map((writes) => writes + 1),
  );
  t.ok(clients.every((client) => client.bodies().length === 100));
});

t.test('a connection that copies what waits leaves the memory to the next one', async (t) => {
  const fixture = new BrokerFixture();
  const [copying, next] = [fixture.connect(), fixture.connect()];
  for (const client of [copying, next]) {
    client.subscribe('s', '/topic/a');
    client.frames();
  }
  copying.connection.holdsMemory = false;
  copying.connection.freeze();
  fixture.connect().publish('/topic/a', 'hello');
  fixture.clock.turn();
  t.ok(copying.connection.bufferedBytes > 0);
  const [first, second] = [copying, next].map(({ connection }) => connection.parts.at(-1));
  t.equal(first?.buffer, second?.buffer);
  t.equal(first?.byteOffset, second?.byteOffset, 'the same place of the arena');
  copying.connection.thaw();
  t.strictSame([...copying.bodies(), ...next.bodies()], ['hello', 'hello']);
});

t.test('octets that wait in one connection are never overwritten by frames for another', async (t) => {
  const fixture = new BrokerFixture({ outbox: { highWaterBytes: 300_000 } });
  const clients = Array.from({ length: 8 }, () => fixture.connect());
  for (const [k, client] of clients.entries()) client.subscribe(`s${k}`, '/topic/a');
  const sender = fixture.connect();
  const bodies: string[] = [];
  for (let k = 0; k < 400; k++) {
    for (const [c, { connection }] of clients.entries()) {
      if ((k + c) % 11 === 0) connection.freeze();
      else if ((k + c) % 11 === 5) connection.thaw();
      else if ((k + c) % 11 === 3) connection.sip();
    }
    const body = `${k}:${String.fromCharCode(97 + (k % 26)).repeat((k * 997) % 7_000)}`;
    bodies.push(body);
    sender.publish('/topic/a', body);
    if (k % 3 === 0) fixture.clock.turn();
  }
  // Thawing compares what waited with what was written.
  for (const client of clients) client.connection.thaw();
  for (const [k, client] of clients.entries()) {
    const frames = client.frames();
    t.equal(frames.length, 400);
    t.ok(frames.every((frame, n) => frame.body.toString() === bodies[n] && header(frame, 'subscription') === `s${k}`));
  }
});

t.test('with nothing buffered the same memory serves every connection', async (t) => {
  const fixture = new BrokerFixture();
  const clients = Array.from({ length: 50 }, () => fixture.connect());
  for (const client of clients) client.subscribe('s', '/topic/a');
  const sender = fixture.connect();
  for (let k = 0; k < 100; k++) {
    sender.publish('/topic/a', 'x'.repeat(1_000));
    fixture.clock.turn();
  }
  const memory = new Set(clients.flatMap(({ connection }) => connection.parts.map((part) => part.buffer)));
  t.equal(memory.size, 1);
});

t.test('subscribers that wait for the same under the same id get the very same octets', async (t) => {
  const fixture = new BrokerFixture();
  const alike = Array.from({ length: 5 }, () => fixture.connect());
  const other = fixture.connect();
  const acking = fixture.connect();
  const older = fixture.connect({ 'accept-version': '1.1' });
  const receipted = fixture.connect();
  for (const client of [...alike, older, receipted]) client.subscribe('sub-0', '/topic/a');
  other.subscribe('sub-1', '/topic/a');
  acking.subscribe('sub-0', '/topic/a', { ack: 'client-individual' });
  fixture.clock.turn();
  const sender = fixture.connect();
  for (let turn = 0; turn < 3; turn++) {
    const framesBefore = fixture.broker.stats().framesOut;
    for (const body of ['one', 'two', 'three']) sender.publish('/topic/a', `${body} of ${turn}`);
    receipted.send('BEGIN\ntransaction:t\nreceipt:r\n\n\0ABORT\ntransaction:t\n\n\0');
    fixture.clock.turn();
    const [first, ...others] = alike.map(({ connection }) => connection.parts.at(-1));
    t.ok(others.every((part) => part === first));
    for (const { connection } of [other, acking, older, receipted]) t.not(connection.parts.at(-1), first);
    t.equal(fixture.broker.stats().framesOut - framesBefore, 9 * 3 + 1, 'each frame counts for each connection');
    const wanted = ['one', 'two', 'three'].map((body) => `${body} of ${turn}`);
    for (const client of [...alike, other, acking, older, receipted]) t.strictSame(client.bodies(), wanted);
  }
  sender.publish('/topic/a', 'next');
  fixture.clock.turn();
  t.equal(alike[0]?.connection.parts.at(-1), alike[4]?.connection.parts.at(-1));
  for (const client of alike) t.strictSame(client.bodies(), ['next']);
});

t.test('octets for several are right for each, whoever is slow', async (t) => {
  const seed = seedOf('HOOFBEAT_FUZZ_SEED');
  t.comment(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const fixture = new BrokerFixture({ outbox: { highWaterBytes: 300_000 } });
  const clients = Array.from({ length: 12 }, (_, k) =>
    fixture.connect({ 'accept-version': k % 4 === 0 ? '1.1' : '1.2' }),
  );
  for (const [k, client] of clients.entries()) {
    client.subscribe('s', '/topic/a');
    if (k % 3 === 0) client.subscribe('t', '/topic/b');
  }
  const sender = fixture.connect();
  const sent: Record<'/topic/a' | '/topic/b', string[]> = { '/topic/a': [], '/topic/b': [] };
  for (let k = 0; k < 600; k++) {
    const { connection } = clients[random.between(0, clients.length - 1)] as FixtureClient;
    const act = random.between(0, 3);
    if (act === 0) connection.freeze();
    else if (act === 1) connection.thaw();
    else if (act === 2) connection.sip();
    const topic = random.between(0, 2) === 0 ? '/topic/b' : '/topic/a';
    const body = `${k}:${'xyz'.charAt(k % 3).repeat(random.between(0, random.between(0, 9) === 0 ? 20_000 : 300))}`;
    sent[topic].push(body);
    sender.publish(topic, body, random.between(0, 4) === 0 ? { escaped: 'a\\cb' } : {});
    if (random.between(0, 3) === 0) fixture.clock.turn();
  }
  for (const client of clients) client.connection.thaw();
  for (const [k, client] of clients.entries()) {
    const frames = client.frames();
    for (const [id, topic] of [
      ['s', '/topic/a'],
      ['t', '/topic/b'],
    ] as const) {
      const got = frames.filter((frame) => header(frame, 'subscription') === id).map(({ body }) => body.toString());
      t.strictSame(got, id === 's' || k % 3 === 0 ? sent[topic] : [], `${id} of client ${k}`);
    }
  }
});

t.test('a large body leaves uncopied, in one write with its head', async (t) => {
  const fixture = new BrokerFixture();
  const [a, b] = [fixture.connect(), fixture.connect()];
  for (const client of [a, b]) client.subscribe('s', '/topic/a');
  fixture.clock.turn();
  const body = 'B'.repeat(60_000);
  const chunk = Buffer.from(`SEND\ndestination:/topic/a\ncontent-length:${body.length}\n\n${body}\0`);
  const before = a.connection.writes;
  fixture.connect().send(chunk);
  fixture.clock.turn();
  t.equal(a.connection.writes, before + 1);
  for (const client of [a, b]) {
    t.ok(
      client.connection.parts.some((part) => part.buffer === chunk.buffer),
      'the very octets that were read',
    );
    t.strictSame(client.bodies(), [body]);
  }
});

t.test('frames around a large one keep their order, also while frozen', async (t) => {
  for (const framing of [RAW, framed(true), framed(false)]) {
    const fixture = new BrokerFixture({ outbox: { highWaterBytes: 200_000 } });
    const client = fixture.open(framing);
    client.send('CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0');
    fixture.clock.turn();
    client.connection.take();
    const sender = fixture.connect();
    const bodies = Array.from({ length: 60 }, (_, k) => `${k}:${'y'.repeat(k % 3 === 0 ? 60_000 : 10)}`);
    client.connection.freeze();
    for (const [k, body] of bodies.entries()) {
      sender.publish('/topic/a', body);
      if (k % 5 === 0) fixture.clock.turn();
    }
    let octets = Buffer.alloc(0);
    for (let k = 0; k < 40; k++) {
      client.connection.sip();
      fixture.clock.turn();
      octets = Buffer.concat([octets, client.connection.take()]);
    }
    const frames =
      framing === RAW ? octets.toString().split('\0').slice(0, -1) : unframe(octets).map((frame) => frame.toString());
    t.strictSame(
      frames.map((frame) => frame.split('\n\n')[1]?.split('\0')[0]),
      bodies,
    );
  }
});

t.test('a frame larger than the arena leaves whole, and the ones behind it', async (t) => {
  for (const framing of [framed(false), framed(true)]) {
    const fixture = new BrokerFixture();
    const client = fixture.open(framing);
    client.send('CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0');
    fixture.clock.turn();
    client.connection.take();
    const sender = fixture.connect();
    const sizes = [10, 2 * ARENA_BYTES, 10, ARENA_BYTES - 50, ARENA_BYTES, 5, 900_000, 900_000, 3];
    for (const size of sizes) sender.publish('/topic/a', 'z'.repeat(size));
    fixture.clock.turn();
    const frames = unframe(client.connection.take());
    t.strictSame(
      frames.map((frame) => frame.indexOf(0) - frame.indexOf('\n\n') - 2),
      sizes,
    );
  }
});

t.test('a body that is not UTF-8 is told to the framing', async (t) => {
  const kinds: boolean[] = [];
  const fixture = new BrokerFixture();
  const client = fixture.open(framed(true, kinds));
  client.send('CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0');
  client.send(
    Buffer.concat([Buffer.from('SEND\ndestination:/topic/a\ncontent-length:2\n\n'), Buffer.from([0xff, 0xfe, 0])]),
  );
  client.send('SEND\ndestination:/topic/a\n\nhé\0');
  fixture.clock.turn();
  t.strictSame(kinds, [true, false, true], 'CONNECTED, binary, text');
});

t.test('frames of many sizes cross every boundary of the arena whole', async (t) => {
  const fixture = new BrokerFixture({ outbox: { highWaterBytes: 10 * ARENA_BYTES } });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.connection.freeze();
  const sender = fixture.connect();
  for (let k = 0; k < 2_000; k++) {
    sender.publish('/topic/a', `${k}:${'q'.repeat((k * 7919) % 8_000)}`);
    if (k % 97 === 0) fixture.clock.turn();
  }
  client.connection.thaw();
  const bodies = client.bodies();
  t.equal(bodies.length, 2_000);
  t.ok(bodies.every((body, k) => body === `${k}:${'q'.repeat((k * 7919) % 8_000)}`));
});
