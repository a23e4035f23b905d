// The hot path (octets relayed as they are) and the strict path (decoded, written anew) are to give subscribers the same.
import fc from 'fast-check';
import t from 'tap';
import { BrokerFixture, type FixtureClient } from '../helpers/broker-fixture.js';
import { check } from '../helpers/properties.js';
import type { ServerFrame } from '../helpers/server-frames.js';

const VERSIONS = ['1.0', '1.1', '1.2'];
const NAME = fc.oneof(
  fc.constantFrom(
    'x',
    'content-type',
    'priority',
    'Destination',
    'receiptx',
    'é',
    '__proto__',
    'id',
    'expires',
    'ack ',
  ),
  fc.string({ unit: fc.constantFrom('a', 'b', '-', 'ü', ' '), minLength: 1, maxLength: 6 }),
);
const VALUE = fc.string({
  unit: fc.constantFrom('a', 'Z', ' ', '\\\\', '\\n', '\\c', ':', 'é', '🐎', ',', '/'),
  maxLength: 8,
});
const BODY = fc.oneof(
  fc.string({ maxLength: 30 }).map((text) => Buffer.from(text.replaceAll('\0', ''))),
  fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets.filter((octet) => octet !== 0))),
);
const LENGTH = fc.constantFrom('none', 'first', 'last', 'odd', 'twice');

interface Sent {
  readonly lines: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly length: string;
  readonly ends: string;
}

const SENT: fc.Arbitrary<Sent> = fc.record({
  lines: fc.array(fc.tuple(NAME, VALUE), { maxLength: 5 }),
  body: BODY,
  length: LENGTH,
  ends: fc.constantFrom('\n', '\n', '\n', '\r\n'),
});

/** The octets of a SEND; `more` are header lines that make no difference but keep it off the hot path. */
function octetsOf({ lines, body, length, ends }: Sent, more: readonly (readonly [string, string])[] = []): Buffer {
  const counted = ['content-length', `${length === 'odd' ? '0' : ''}${body.length}`] as const;
  const all: (readonly [string, string])[] = [...lines];
  all.splice(lines.length >> 1, 0, ['destination', '/topic/a']);
  if (length === 'first' || length === 'odd' || length === 'twice') all.unshift(counted);
  if (length === 'last' || length === 'twice') all.push(counted);
  const head = ['SEND', ...[...all, ...more].map(([name, value]) => `${name}:${value}`), '', ''].join(ends);
  return Buffer.concat([Buffer.from(head), body, Buffer.from([0])]);
}

/** First value of each name, in order of first appearance; the id and what is always last left out. */
function meaning({ headers, body }: ServerFrame): unknown {
  const first = new Map<string, string>();
  for (const [name, value] of headers) if (!first.has(name)) first.set(name, value);
  const length = first.get('content-length');
  first.delete('message-id');
  first.delete('content-length');
  return { headers: [...first], length, body: body.toString('latin1') };
}

t.test('a subscriber of any version sees the same MESSAGE whichever path the SEND took', async (t) => {
  let plain = 0;
  const property = fc.property(SENT, fc.constantFrom('1.1', '1.2'), (sent, senderVersion) => {
    const fixture = new BrokerFixture();
    const sender = fixture.connect({ 'accept-version': senderVersion });
    const readers = VERSIONS.map((version) => fixture.connect({ 'accept-version': version }));
    for (const reader of readers) reader.subscribe('s', '/topic/a');
    const see = (octets: Buffer): unknown[] => {
      sender.send(octets);
      return readers.map((reader: FixtureClient) => {
        const frames = reader.frames();
        if (frames.length !== 1 || frames[0] === undefined) throw new Error(`${frames.length} frames`);
        return meaning(frames[0]);
      });
    };
    const asSent = see(octetsOf(sent));
    const strict = see(octetsOf(sent, [['message-id', 'ignored']]));
    if (JSON.stringify(asSent) !== JSON.stringify(strict)) {
      throw new Error(`as sent ${JSON.stringify(asSent)}, strict ${JSON.stringify(strict)}`);
    }
    if (JSON.stringify(asSent[1]) !== JSON.stringify(asSent[2])) throw new Error('1.1 and 1.2 differ');
    const body = (asSent[0] as { body: string }).body;
    if (body !== sent.body.toString('latin1')) throw new Error('the body was changed');
    if (sent.ends === '\n' && !sent.lines.some(([, value]) => /[\\:]/.test(value))) plain++;
  });
  check(t, property, 400);
  t.ok(plain > 40, `${plain} took the hot path`);
});

t.test('the state of a broker outlives anything that one client sends', async (t) => {
  const command = fc.constantFrom(
    'SEND',
    'SUBSCRIBE',
    'UNSUBSCRIBE',
    'ACK',
    'NACK',
    'BEGIN',
    'COMMIT',
    'ABORT',
    'DISCONNECT',
    'CONNECT',
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      'destination',
      'id',
      'ack',
      'transaction',
      'message-id',
      'receipt',
      'prefetch-count',
      'subscription',
    ),
    fc.constantFrom(
      '/topic/a',
      '/queue/a',
      '/topic/*',
      '/queue/b',
      '1',
      '2',
      't',
      'client',
      'client-individual',
      'auto',
      '1-1',
      '1-2',
      'n-1',
      '',
    ),
    { maxKeys: 5 },
  );
  const sensible = fc.oneof(
    fc
      .constantFrom('/queue/a', '/topic/a', '/queue/b')
      .map((destination) => `SEND\ndestination:${destination}\n\nbody\0`),
    fc
      .constantFrom('/queue/a', '/topic/a')
      .map((destination) => `SEND\ndestination:${destination}\ntransaction:t\n\nbody\0`),
    fc
      .tuple(
        fc.constantFrom('1', '2', '3'),
        fc.constantFrom('/queue/a', '/topic/a', '/topic/*'),
        fc.constantFrom('auto', 'client', 'client-individual'),
      )
      .map(
        ([id, destination, ack]) =>
          `SUBSCRIBE\nid:${id}\ndestination:${destination}\nack:${ack}\nprefetch-count:2\n\n\0`,
      ),
    fc.constantFrom('1', '2', '3').map((id) => `UNSUBSCRIBE\nid:${id}\n\n\0`),
    fc
      .tuple(fc.constantFrom('ACK', 'NACK'), fc.nat(3), fc.nat(6), fc.boolean())
      .map(
        ([verb, number, sequence, within]) =>
          `${verb}\nid:${number}-${sequence}\n${within ? 'transaction:t\n' : ''}\n\0`,
      ),
    fc.constantFrom('BEGIN', 'COMMIT', 'ABORT').map((verb) => `${verb}\ntransaction:t\n\n\0`),
  );
  const wild = fc.tuple(command, headers).map(
    ([verb, list]) =>
      `${verb}\n${Object.entries(list)
        .map(([name, value]) => `${name}:${value}\n`)
        .join('')}\n\0`,
  );
  const step = fc.record({
    who: fc.nat(2),
    octets: fc.oneof({ weight: 12, arbitrary: sensible }, { weight: 1, arbitrary: wild }),
    then: fc.constantFrom('', '', '', 'turn', 'turn', 'freeze', 'thaw', 'vanish', 'advance'),
  });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const fixture = new BrokerFixture({ heartBeat: { sendMs: 0, receiveMs: 0 } });
    const clients = [fixture.connect(), fixture.connect(), fixture.connect()];
    for (const { who, octets, then } of steps) {
      let client = clients[who] as FixtureClient;
      if (client.isGone) client = clients[who] = fixture.connect();
      client.send(octets);
      if (then === 'turn') fixture.clock.turn();
      else if (then === 'freeze') client.connection.freeze();
      else if (then === 'thaw') client.connection.thaw();
      else if (then === 'vanish') client.connection.vanish();
      else if (then === 'advance') fixture.clock.advance(1_000);
    }
    for (const client of clients) client.connection.thaw();
    fixture.clock.turn();
    // Nothing is lost: what was put on the queue is with somebody, settled, or still there.
    if (fixture.log.some(({ level }) => level === 'error'))
      throw new Error(
        JSON.stringify(
          fixture.log
            .filter(({ level }) => level === 'error')
            .map(({ fields }) => String((fields['err'] as Error | undefined)?.stack)),
        ),
      );
    for (const client of clients) client.connection.vanish();
    fixture.clock.advance(60_000);
    const { connections, subscriptions } = fixture.broker.stats();
    if (connections.current !== 0 || subscriptions !== 0) throw new Error(JSON.stringify(fixture.broker.stats()));
    if (fixture.clock.intervalCount !== 0) throw new Error('a timer is left');
    const last = fixture.connect();
    last.subscribe('a', '/queue/a');
    last.subscribe('b', '/queue/b');
    last.publish('/queue/a', 'still alive');
    if (last.bodies().at(-1) !== 'still alive') throw new Error('the queue is stuck');
  });
  check(t, property, 400);
});

t.test('no queue message is lost or taken by two, however consumers come and go', async (t) => {
  const step = fc.record({
    who: fc.nat(3),
    what: fc.constantFrom(
      'publish',
      'publish',
      'publish',
      'join',
      'join',
      'leave',
      'ack',
      'ack',
      'nack',
      'vanish',
      'error',
      'freeze',
      'thaw',
      'begin',
      'commit',
      'abort',
      'ackLater',
      'turn',
      'turn',
      'big',
    ),
  });
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const outbox = { highWaterBytes: 70_000, softLimitBytes: 500_000, hardLimitBytes: 600_000 };
    const fixture = new BrokerFixture({ outbox });
    const sender = fixture.connect();
    const clients = Array.from({ length: 4 }, () => fixture.connect());
    const held = clients.map(() => new Map<string, string>());
    const later = clients.map(() => [] as string[]);
    const open = clients.map(() => false);
    const settled = new Set<string>();
    let published = 0;
    const collect = (): void => {
      clients.forEach((client, k) => {
        for (const { command, headers, body } of client.frames()) {
          const ack = headers.find(([name]) => name === 'ack')?.[1];
          if (command === 'MESSAGE' && ack !== undefined) held[k]?.set(ack, body.toString().split(' ')[0] ?? '');
        }
      });
    };
    const settle = (id: string | undefined): void => {
      if (id === undefined) return;
      if (settled.has(id)) throw new Error(`${id} was settled twice`);
      settled.add(id);
    };
    for (const { who, what } of steps) {
      let client = clients[who] as FixtureClient;
      if (client.isGone) {
        client = clients[who] = fixture.connect();
        held[who] = new Map();
        later[who] = [];
        open[who] = false;
      }
      const mine = held[who] ?? new Map<string, string>();
      const [first] = mine;
      if (what === 'publish') sender.publish('/queue/q', String(published++));
      else if (what === 'big') sender.publish('/queue/q', `${published++} ${'x'.repeat(30_000)}`);
      else if (what === 'turn') collect();
      else if (what === 'join') {
        const isIn = fixture.broker.stats().subscriptions;
        client.subscribe(String(isIn + Math.floor(published)), '/queue/q', {
          ack: 'client-individual',
          'prefetch-count': '3',
        });
      } else if (what === 'vanish') client.connection.vanish();
      else if (what === 'error') {
        client.send('X\n');
        fixture.clock.turn();
        client.connection.vanish();
      } else if (what === 'freeze') client.connection.freeze();
      else if (what === 'thaw') client.connection.thaw();
      else if (what === 'begin' && !(open[who] ?? false)) {
        client.send('BEGIN\ntransaction:t\n\n\0');
        open[who] = true;
      } else if ((what === 'commit' || what === 'abort') && (open[who] ?? false)) {
        client.send(`${what.toUpperCase()}\ntransaction:t\n\n\0`);
        if (!client.isGone && what === 'commit') for (const body of later[who] ?? []) settle(body);
        if (what === 'abort') collect();
        later[who] = [];
        open[who] = false;
      } else if (
        first !== undefined &&
        (what === 'ack' || what === 'nack' || (what === 'ackLater' && (open[who] ?? false)))
      ) {
        const [ack, body] = first;
        mine.delete(ack);
        client.send(
          `${what === 'nack' ? 'NACK' : 'ACK'}\nid:${ack}\n${what === 'ackLater' ? 'transaction:t\n' : ''}\n\0`,
        );
        if (what === 'ack') settle(body);
        else if (what === 'ackLater') later[who]?.push(body);
      }
      if (client.connection.closedWith !== null) fixture.clock.turn();
    }
    for (const client of clients) client.connection.vanish();
    fixture.clock.turn();
    const last = fixture.connect();
    last.subscribe('s', '/queue/q');
    const rest = last.bodies().map((body) => body.split(' ')[0] ?? '');
    const all = [...settled, ...rest].map(Number).sort((a, b) => a - b);
    const wanted = Array.from({ length: published }, (_, k) => k);
    if (JSON.stringify(all) !== JSON.stringify(wanted))
      throw new Error(`left ${rest.join()}, settled ${[...settled].join()}, published ${published}`);
    if (JSON.stringify(rest) !== JSON.stringify([...rest].sort((a, b) => Number(a) - Number(b))))
      throw new Error(`out of order: ${rest.join()}`);
  });
  check(t, property, 400);
});
