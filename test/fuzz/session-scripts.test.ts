// Sessions that do anything in any order: each is answered by frames that a client can read, and leaves nothing behind.
import t from 'tap';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { damage, fuzz } from './fuzz-run.js';
import { ACKS, COMMANDS, DESTINATIONS, EXTRA, IDS, SCRIPT_OPTIONS } from './targets/session-words.js';

function frame(random: SeededRandom, acks: readonly string[]): string {
  const command = random.pick(COMMANDS);
  const headers: Record<string, string> = {};
  if (random.chance(0.9)) headers['destination'] = random.pick(DESTINATIONS);
  if (random.chance(0.8))
    headers['id'] = command === 'ACK' || command === 'NACK' ? (acks.at(-1) ?? '1-1') : random.pick(IDS);
  if (random.chance(0.4)) headers['ack'] = random.pick(ACKS);
  if (/BEGIN|COMMIT|ABORT/.test(command)) headers['transaction'] = random.pick(['t', 'u']);
  if (random.chance(0.1)) headers['receipt'] = 'r';
  for (let k = random.between(0, 2); k > 0; k--) {
    const [name, value] = random.pick(EXTRA);
    headers[name] = value;
  }
  return frameText(command, headers, command === 'SEND' ? random.pick(['', 'xy', 'longer than two']) : '');
}

/** Reads what has come; every ERROR is one that is meant. */
function check(client: FixtureClient, acks: string[]): void {
  for (const got of client.frames()) {
    const ack = header(got, 'ack');
    if (ack !== undefined) acks.push(ack);
    if (got.command === 'ERROR' && header(got, 'code') === 'internal')
      throw new Error(`internal error: ${got.body.toString()}`);
  }
}

function open(random: SeededRandom, fixture: BrokerFixture): FixtureClient {
  if (random.chance(0.1)) {
    const client = fixture.open();
    // Whatever it agrees on: read as 1.0, which has no escapes.
    client.version = '1.0';
    return client;
  }
  const version = random.pick(['1.0', '1.1', '1.2'] as const);
  const login = random.chance(0.5) ? { login: random.pick(['ann', 'bob', 'a/b']) } : {};
  return fixture.connect({ 'accept-version': version, ...login });
}

t.test('any script of frames leaves a broker that works', async (t) => {
  let fixture = new BrokerFixture(SCRIPT_OPTIONS);
  let scripts = 0;
  await fuzz(t, 'session scripts, one broker', 1_000, (random) => {
    // Small tables: one broker for a while, then another, as what is kept (queues, durable subscriptions) shapes the rest.
    if (++scripts % 1_000 === 0) fixture = new BrokerFixture(SCRIPT_OPTIONS);
    const clients = [open(random, fixture), open(random, fixture)] as const;
    const acks: string[] = [];
    for (let k = random.between(1, 8); k > 0; k--) {
      const client = random.pick(clients);
      if (client.isGone) continue;
      let octets = Buffer.from(frame(random, acks));
      if (random.chance(0.08)) octets = Buffer.from(damage(random, octets));
      const place = random.chance(0.3) ? random.between(0, octets.length) : octets.length;
      client.send(octets.subarray(0, place));
      client.send(octets.subarray(place));
      if (random.chance(0.7)) for (const each of clients) check(each, acks);
      if (random.chance(0.05)) fixture.clock.advance(random.pick([50, 1_000, 20_000]));
    }
    for (const client of clients) {
      check(client, acks);
      client.connection.vanish();
    }
    fixture.clock.turn();
    const { connections, subscriptions, temporaryQueues } = fixture.broker.stats();
    const left = { connections: connections.current, subscriptions, temporaryQueues };
    if (connections.current + subscriptions + temporaryQueues > 0)
      throw new Error(`left behind: ${JSON.stringify(left)}`);
    const internal = fixture.log.find(({ message }) => message === 'internal error');
    if (internal !== undefined) throw new Error(`internal error: ${JSON.stringify(internal)}`);
    fixture.log.length = 0;
  });
  const probe = fixture.connect();
  probe.subscribe('0', '/topic/still-works');
  probe.publish('/topic/still-works', 'yes');
  t.strictSame(probe.bodies(), ['yes']);
});
