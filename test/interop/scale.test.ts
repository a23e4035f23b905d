/** Ten thousand subscriptions to one topic with the defaults: every message, in order, whatever one client does. */
import t, { type Test } from 'tap';
import { CountingClient } from '../helpers/counting-client.js';
import { inTime } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';

const CONNECTIONS = 1_000;
const SUBSCRIPTIONS = 10_000;
const LIMIT_MS = 30_000;

async function openAll(t: Test, port: number, destination: string): Promise<CountingClient[]> {
  const clients: CountingClient[] = [];
  t.teardown(() => {
    for (const client of clients) client.destroy();
  });
  // In portions: the backlog of a listening socket is shorter than this.
  while (clients.length < CONNECTIONS) {
    const portion = Array.from({ length: 100 }, () =>
      CountingClient.open(port, destination, SUBSCRIPTIONS / CONNECTIONS),
    );
    clients.push(...(await Promise.all(portion)));
  }
  return clients;
}

t.test('10,000 subscriptions on 1,000 connections each get every message in order', async (t) => {
  const server = await startTestServer();
  t.teardown(() => server.stop());
  const destination = '/topic/scale.wide';
  const clients = await openAll(t, server.tcpPort, destination);
  t.equal(server.server.broker.stats().subscriptions, SUBSCRIPTIONS);
  const publisher = await CountingClient.open(server.tcpPort, '/topic/none', 0);
  const messages = 40;
  for (let k = 0; k < messages; k++) publisher.send(destination, String(k));
  const each = (messages * SUBSCRIPTIONS) / CONNECTIONS;
  await Promise.all(clients.map((client) => client.received(each, LIMIT_MS)));
  t.same([...new Set(clients.map(({ fault }) => fault))], [null], 'nothing missing, doubled or out of order');
  t.same([...new Set(clients.map(({ messages: count }) => count))], [each]);
  publisher.destroy();
});

t.test('10,000 subscriptions on one connection each get every message in order', async (t) => {
  const server = await startTestServer();
  t.teardown(() => server.stop());
  const destination = '/topic/scale.deep';
  const client = await CountingClient.open(server.tcpPort, destination, SUBSCRIPTIONS);
  const messages = 20;
  for (let k = 0; k < messages; k++) client.send(destination, String(k));
  await client.received(messages * SUBSCRIPTIONS, LIMIT_MS);
  t.equal(client.fault, null);
  t.equal(client.messages, messages * SUBSCRIPTIONS);
  client.destroy();
});

t.test('a subscriber that stops reading is closed, and all others get every message in order', async (t) => {
  const server = await startTestServer();
  t.teardown(() => server.stop());
  const { broker } = server.server;
  const destination = '/topic/scale.stalled';
  const healthy = await openAll(t, server.tcpPort, destination);
  // Many subscriptions make much to send of few messages, so that the limit is passed soon.
  const stalled = await CountingClient.open(server.tcpPort, destination, SUBSCRIPTIONS);
  stalled.socket.pause();
  const publisher = await CountingClient.open(server.tcpPort, '/topic/none', 0);
  const one = SUBSCRIPTIONS / CONNECTIONS;
  let sent = 0;
  while (broker.stats().closed['slow-consumer'] === 0 && sent < 300) {
    publisher.send(destination, String(sent++));
    // The next once the healthy ones have this one: they are not the ones to be slow here.
    await Promise.all(healthy.map((client) => client.received(sent * one, LIMIT_MS)));
  }
  t.equal(broker.stats().closed['slow-consumer'], 1, `closed after ${sent} messages`);
  stalled.socket.resume();
  await inTime(stalled.closed, 'the connection of the stalled client to end');
  for (let k = 0; k < 5; k++) publisher.send(destination, String(sent++));
  await Promise.all(healthy.map((client) => client.received(sent * one, LIMIT_MS)));
  t.same([...new Set(healthy.map(({ fault }) => fault))], [null], 'nothing missing, doubled or out of order');
  t.equal(broker.stats().subscriptions, SUBSCRIPTIONS, 'its subscriptions are gone, all others are there');
  publisher.destroy();
});
