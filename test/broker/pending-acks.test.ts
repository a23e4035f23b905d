import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

/** A client of `version` with three messages pending on `s` and one on `o`; their headers by body. */
function pending(version: string, ack: string) {
  const fixture = new BrokerFixture();
  const client = fixture.connect({ 'accept-version': version });
  client.subscribe('s', '/queue/q', { ack });
  client.subscribe('o', '/queue/o', { ack });
  for (const body of ['a', 'b', 'c']) client.publish('/queue/q', body);
  client.publish('/queue/o', 'other');
  const frames = new Map(client.frames().map((frame) => [frame.body.toString(), frame]));
  const value = (body: string, name: string): string => header(frames.get(body), name) ?? '';
  return { fixture, client, value };
}

/** What another consumer finds once `client` is gone. */
function left(fixture: BrokerFixture, client: FixtureClient): string[] {
  client.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  other.subscribe('o', '/queue/o');
  return other.bodies();
}

t.test('A-01 1.0 acknowledges by message-id alone', async (t) => {
  const { fixture, client, value } = pending('1.0', 'client');
  client.send(frameText('ACK', { 'message-id': value('b', 'message-id') }));
  t.strictSame(left(fixture, client), ['c', 'other']);
});

t.test('A-02 A-06 1.1 wants message-id and the subscription it came on', async (t) => {
  const { fixture, client, value } = pending('1.1', 'client-individual');
  client.send(frameText('ACK', { 'message-id': value('b', 'message-id'), subscription: 's' }));
  t.strictSame(left(fixture, client), ['a', 'c', 'other']);
  for (const [subscription, code] of [
    ['o', 'ack-unknown'],
    ['nobody', 'ack-unknown'],
    ['', 'header-missing'],
  ] as const) {
    const again = pending('1.1', 'client');
    again.client.send(frameText('ACK', { 'message-id': again.value('b', 'message-id'), subscription }));
    t.equal(again.client.error(), code, JSON.stringify(subscription));
  }
});

t.test('A-03 A-04 1.2 wants id; message-id and subscription beside it are ignored', async (t) => {
  const { fixture, client, value } = pending('1.2', 'client-individual');
  client.send(frameText('ACK', { id: value('c', 'ack'), 'message-id': 'x', subscription: 'y' }));
  t.strictSame(left(fixture, client), ['a', 'b', 'other']);
  const again = pending('1.2', 'client');
  again.client.send(frameText('ACK', { 'message-id': again.value('a', 'message-id'), subscription: 's' }));
  t.equal(again.client.error(), 'header-missing');
});

t.test("A-09 an id that was settled, is somebody else's, or is made up is refused", async (t) => {
  const settled = pending('1.2', 'client');
  const id = settled.value('a', 'ack');
  settled.client.send(frameText('ACK', { id }));
  settled.client.send(frameText('ACK', { id }));
  t.equal(settled.client.error(), 'ack-unknown');
  const owner = pending('1.2', 'client');
  const thief = owner.fixture.connect();
  thief.subscribe('s', '/queue/x', { ack: 'client' });
  thief.send(frameText('ACK', { id: owner.value('a', 'ack') }));
  t.equal(thief.error(), 'ack-unknown');
  for (const made of ['1-99', '9-1', '-1', 'NaN', '1', '1-1x', '__proto__', '1e0-1']) {
    const { client } = pending('1.2', 'client');
    client.send(frameText('NACK', { id: made }));
    t.equal(client.error(), 'ack-unknown', made);
  }
});

t.test('A-08 a message of an auto subscription cannot be acknowledged', async (t) => {
  const { client, value } = pending('1.1', 'auto');
  client.send(frameText('ACK', { 'message-id': value('a', 'message-id'), subscription: 's' }));
  t.equal(client.error(), 'ack-unknown');
});

t.test('A-14 NACK is no command of 1.0', async (t) => {
  const { client, value } = pending('1.0', 'client');
  client.send(frameText('NACK', { 'message-id': value('a', 'message-id') }));
  t.equal(client.error(), 'header-invalid');
});
