import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';

function unsubscribe(client: FixtureClient): void {
  client.send(frameText('UNSUBSCRIBE', { id: 's' }));
}

/** Clients that are subscribed to `/queue/q`, with the headers given for each. */
function consumers(...headers: readonly Readonly<Record<string, string>>[]) {
  const fixture = new BrokerFixture();
  const clients = headers.map((each) => {
    const client = fixture.connect();
    client.subscribe('s', '/queue/q', each);
    return client;
  });
  const sender = fixture.connect();
  const send = (...bodies: readonly string[]): string[] => {
    for (const body of bodies) sender.publish('/queue/q', body);
    return clients.map((client) => client.bodies().join(''));
  };
  return { fixture, clients, send };
}

const EXCLUSIVE = { exclusive: 'true' };

t.test('whoever came last is next, when all before had their turn', async (t) => {
  const { fixture, clients, send } = consumers({}, {});
  t.strictSame(send('a', 'b'), ['a', 'b']);
  const third = fixture.connect();
  third.subscribe('s', '/queue/q');
  clients.push(third);
  t.strictSame(send('c', 'd'), ['d', '', 'c']);
});

t.test('consumers that leave neither skip nor double the turn of others', async (t) => {
  for (const [gone, wanted] of [
    [0, ['', 'ce', 'd']],
    [1, ['d', '', 'ce']],
    [2, ['ce', 'd', '']],
  ] as const) {
    const { clients, send } = consumers({}, {}, {});
    send(...(gone === 2 ? ['a', 'b', 'x'] : ['a', ...(gone === 1 ? ['b'] : [])]));
    const leaving = clients[gone];
    if (leaving !== undefined) unsubscribe(leaving);
    t.strictSame(send('c', 'd', 'e'), wanted, `${gone} left`);
  }
});

t.test('one exclusive consumer takes all; when its window is full the rest waits for it', async (t) => {
  const { clients, send } = consumers({}, { ...EXCLUSIVE, ack: 'client', 'prefetch-count': '2' }, {});
  t.strictSame(send('a', 'b', 'c'), ['', 'ab', '']);
  clients[1]?.connection.vanish();
  t.strictSame(
    clients.map((client) => client.bodies().join('')),
    ['ac', '', 'b'],
    'then everybody, what it left first',
  );
});

t.test('an exclusive consumer that comes later takes over what is not given yet', async (t) => {
  const { fixture, clients, send } = consumers({ ack: 'client', 'prefetch-count': '1' });
  t.strictSame(send('a', 'b'), ['a']);
  const late = fixture.connect();
  late.subscribe('s', '/queue/q', EXCLUSIVE);
  clients.push(late);
  t.strictSame(send('c'), ['', 'bc']);
  const later = fixture.connect();
  later.subscribe('s', '/queue/q', EXCLUSIVE);
  clients.push(later);
  t.strictSame(send('d'), ['', 'd', ''], 'the first exclusive one stays');
  unsubscribe(late);
  t.strictSame(send('e'), ['', '', 'e']);
  unsubscribe(later);
  t.strictSame(send('f'), ['', '', ''], 'the window of the only one left is full');
});

t.test('a message that a dead consumer held is with the next one in the same turn', async (t) => {
  const { clients, send } = consumers({ ack: 'client' }, { ack: 'client' });
  t.strictSame(send('a', 'b', 'c'), ['ac', 'b']);
  clients[0]?.connection.vanish();
  t.equal(clients[1]?.bodies().join(''), 'ac');
});

t.test('whoever is left after many have gone keeps its place in the round', async (t) => {
  const { clients, send } = consumers(...Array.from({ length: 40 }, () => ({})));
  send(...Array.from({ length: 10 }, () => 'x'));
  for (const [k, client] of clients.entries()) if (k % 4 !== 0) unsubscribe(client);
  // Of 0, 4, 8, 12 … the first three have had their turn.
  const got = send('a', 'b', 'c');
  t.strictSame([got[12], got[16], got[20]], ['a', 'b', 'c']);
  for (const client of clients.slice(0, 36)) client.connection.vanish();
  t.equal(send('d')[36], 'd');
});
