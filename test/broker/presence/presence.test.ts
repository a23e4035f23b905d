import t, { type Test } from 'tap';
import type { Authenticator } from '../../../broker/ports.js';
import { RuleAuthorizer } from '../../../adapters/auth/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { PresenceWatcher } from '../../helpers/presence-watcher.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { header } from '../../helpers/server-frames.js';
import { seedOf } from '../../helpers/seed.js';

const ROOM = '/topic/rooms/1';
const AT = '/topic/$presence/rooms/1';

function user(fixture: BrokerFixture, login?: string): FixtureClient {
  return fixture.connect(login === undefined ? {} : { login });
}

function watch(client: FixtureClient, at = AT): PresenceWatcher {
  client.subscribe('p', at);
  return new PresenceWatcher().take(client.frames());
}

t.test('a watcher gets a snapshot, then who joins and leaves', async (t) => {
  const fixture = new BrokerFixture({ presence: { leaveDelayMs: 0 } });
  const [ann, bob, watcher] = [user(fixture, 'ann'), user(fixture, 'bob'), user(fixture, 'eve')];
  ann.subscribe('1', ROOM);
  watcher.send(frameText('SUBSCRIBE', { id: 'p', destination: AT, receipt: 'r' }));
  const [receipt, snapshot] = watcher.frames();
  t.equal(receipt?.command, 'RECEIPT', 'in front of the snapshot');
  t.equal(header(snapshot, 'destination'), AT);
  t.equal(header(snapshot, 'content-type'), 'application/json');
  t.equal(header(snapshot, 'presence'), 'snapshot');
  t.strictSame(JSON.parse(String(snapshot?.body)), {
    topic: ROOM,
    users: [{ name: 'ann', sessions: 1 }],
    userCount: 1,
    anonymous: 0,
    truncated: false,
    complete: true,
  });
  bob.subscribe('1', ROOM);
  ann.send(frameText('UNSUBSCRIBE', { id: '1' }));
  const told = watcher.frames();
  t.strictSame(
    told.map((frame) => [header(frame, 'presence'), JSON.parse(frame.body.toString()) as unknown]),
    [
      ['join', { topic: ROOM, user: 'bob', userCount: 2, anonymous: 0 }],
      ['leave', { topic: ROOM, user: 'ann', userCount: 1, anonymous: 0 }],
    ],
  );
});

t.test('a user with two sessions, or two subscriptions, joins once and leaves with the last', async (t) => {
  const fixture = new BrokerFixture({ presence: { leaveDelayMs: 0 } });
  const [first, second, watcher] = [user(fixture, 'ann'), user(fixture, 'ann'), user(fixture)];
  const seen = watch(watcher);
  first.subscribe('1', ROOM);
  first.subscribe('2', ROOM);
  second.subscribe('1', ROOM);
  t.strictSame(seen.take(watcher.frames()).news(), ['snapshot ', 'join ann']);
  t.strictSame((await fixture.broker.presence(ROOM)).users, [{ name: 'ann', sessions: 2 }]);
  first.send(frameText('UNSUBSCRIBE', { id: '1' }));
  second.connection.vanish();
  t.strictSame(seen.take(watcher.frames()).news(), []);
  first.send(frameText('UNSUBSCRIBE', { id: '2' }));
  t.strictSame(seen.take(watcher.frames()).news(), ['leave ann']);
});

t.test('a page that is loaded again neither leaves nor joins; one that stays away leaves', async (t) => {
  const fixture = new BrokerFixture();
  const watcher = user(fixture);
  const seen = watch(watcher);
  const before = user(fixture, 'ann');
  before.subscribe('1', ROOM);
  before.connection.vanish();
  fixture.clock.advance(2_900);
  t.strictSame((await fixture.broker.presence(ROOM)).users, [{ name: 'ann', sessions: 0 }], 'just gone');
  const after = user(fixture, 'ann');
  after.subscribe('1', ROOM);
  fixture.clock.advance(10_000);
  t.strictSame(seen.take(watcher.frames()).news(), ['snapshot ', 'join ann']);
  after.send(frameText('DISCONNECT', {}));
  after.frames();
  fixture.clock.advance(2_900);
  t.strictSame(seen.take(watcher.frames()).news(), []);
  fixture.clock.advance(200);
  t.strictSame(seen.take(watcher.frames()).news(), ['leave ann']);
});

t.test('whoever unsubscribes leaves at once', async (t) => {
  const fixture = new BrokerFixture();
  const [ann, watcher] = [user(fixture, 'ann'), user(fixture)];
  ann.subscribe('1', ROOM);
  const seen = watch(watcher);
  ann.send(frameText('UNSUBSCRIBE', { id: '1' }));
  t.strictSame(seen.take(watcher.frames()).news(), ['snapshot ann', 'leave ann']);
});

t.test('anonymous sessions are counted, and told once a second at most', async (t) => {
  const fixture = new BrokerFixture();
  const clients = Array.from({ length: 5 }, () => user(fixture));
  clients[0]?.subscribe('1', ROOM);
  const watcher = user(fixture);
  const seen = watch(watcher);
  t.equal(seen.anonymous, 1);
  for (const client of clients.slice(1)) client.subscribe('1', ROOM);
  t.strictSame(seen.take(watcher.frames()).news(), ['snapshot ']);
  fixture.clock.advance(1_100);
  t.strictSame(seen.take(watcher.frames()).news(), ['count 5']);
  clients[0]?.connection.vanish();
  user(fixture, 'ann').subscribe('1', ROOM);
  t.strictSame(seen.take(watcher.frames()).news(), ['join ann']);
  t.equal(seen.anonymous, 4, 'what is told anyway says it too');
  fixture.clock.advance(5_000);
  t.strictSame(seen.take(watcher.frames()).news(), []);
});

t.test('patterns hear a topic and are not there for it; histories and durable subscriptions are', async (t) => {
  const fixture = new BrokerFixture({ history: [{ pattern: '/topic/kept/**' }], presence: { leaveDelayMs: 0 } });
  const [ann, bob, watcher] = [user(fixture, 'ann'), user(fixture, 'bob'), user(fixture)];
  ann.subscribe('1', '/topic/**');
  ann.subscribe('2', '/topic/kept/1');
  bob.subscribe('1', ROOM, { durable: 'true', 'auto-delete': 'false' });
  bob.frames();
  t.strictSame(watch(watcher).news(), ['snapshot bob']);
  t.strictSame((await fixture.broker.presence('/topic/kept/1')).users, [{ name: 'ann', sessions: 1 }]);
  bob.connection.vanish();
  t.strictSame(new PresenceWatcher().take([]).news(), []);
  t.strictSame((await fixture.broker.presence(ROOM)).users, []);
});

t.test('what the server tells reaches no pattern, and nobody else can publish there', async (t) => {
  const fixture = new BrokerFixture({ refusals: 'soft' });
  const [ann, all] = [user(fixture, 'ann'), user(fixture)];
  all.subscribe('1', '/topic/**');
  all.subscribe('2', '/topic/*/rooms/1');
  watch(ann);
  user(fixture, 'bob').subscribe('1', ROOM);
  t.strictSame(all.bodies(), []);
  ann.subscribe('e', '/user/queue/errors');
  for (const at of [AT, '/topic/$broker/events', '/topic/$x']) {
    ann.publish(at, 'plain');
    ann.publish(at, 'decoded', { receipt: 'r' });
    ann.send(frameText('BEGIN', { transaction: 't' }));
    ann.publish(at, 'held', { transaction: 't' });
    ann.send(frameText('ABORT', { transaction: 't' }));
    const codes = ann.frames().filter((frame) => header(frame, 'subscription') === 'e');
    t.strictSame(
      codes.map((frame) => header(frame, 'code')),
      ['destination-invalid', 'destination-invalid', 'destination-invalid'],
      at,
    );
  }
  await t.rejects(fixture.broker.convertAndSend(AT, 'x'), { code: 'destination-invalid' });
});

t.test('what cannot be watched is refused by name', async (t) => {
  const refused = (destination: string, headers = {}): string => {
    const client = user(new BrokerFixture());
    client.subscribe('1', destination, headers);
    const error = client.frames().find(({ command }) => command === 'ERROR');
    return `${header(error, 'code') ?? ''}: ${header(error, 'message') ?? ''}`;
  };
  t.match(refused('/topic/$presence/rooms/*'), /^destination-invalid: .*pattern.*one by one/);
  t.match(refused('/topic/$presence/**'), /^destination-invalid/);
  t.match(refused('/topic/$presence/'), /^destination-invalid: .*does not name a topic/);
  t.match(refused('/topic/$presence/$presence/x'), /^destination-invalid/);
  t.match(refused('/topic/$nothing'), /^destination-unknown: .*presence\/<topic>, broker\/events/);
  t.match(refused(AT, { durable: 'true', 'auto-delete': 'false' }), /^destination-invalid/);
  const off = user(new BrokerFixture({ presence: { enabled: false } }));
  off.subscribe('1', AT);
  t.equal(off.error(), 'destination-unknown');
});

t.test('topics that are watched at a time are bounded, and so is a snapshot', async (t) => {
  const fixture = new BrokerFixture({ presence: { maxTopics: 2, maxUsers: 3 } });
  for (const name of ['a', 'b', 'c', 'd', 'e']) user(fixture, name).subscribe('1', ROOM);
  const watcher = user(fixture);
  watcher.subscribe('p', AT);
  const snapshot = JSON.parse(String(watcher.frames()[0]?.body)) as Record<string, unknown>;
  t.match(snapshot, { userCount: 5, truncated: true, users: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] });
  watcher.subscribe('q', '/topic/$presence/other');
  watcher.subscribe('q2', '/topic/$presence/other');
  t.equal(watcher.error(), undefined);
  const late = user(fixture);
  late.subscribe('p', '/topic/$presence/third');
  t.equal(late.error(), 'limit-exceeded');
  await t.rejects(fixture.broker.presence('/topic/third'), { code: 'limit-exceeded' });
  watcher.send(frameText('UNSUBSCRIBE', { id: 'q' }));
  watcher.send(frameText('UNSUBSCRIBE', { id: 'q2' }));
  t.strictSame((await fixture.broker.presence('/topic/third')).users, [], 'there is room again');
});

t.test('the application asks for topics alone', async (t) => {
  const { broker } = new BrokerFixture();
  for (const topic of ['/queue/x', '/topic/*', AT, 'x', '/user/topic/x']) {
    await t.rejects(broker.presence(topic), { code: 'destination-invalid' }, topic);
  }
});

t.test('whoever may subscribe to a topic may see its presence, unless a rule says otherwise', async (t) => {
  const authenticator: Authenticator = {
    authenticate: ({ login }) => ({ name: login ?? null, roles: login === 'root' ? ['admin'] : [] }),
  };
  const authorizer = new RuleAuthorizer({
    rules: [
      { action: 'connect', allow: true },
      { destination: '/topic/$presence/quiet/**', allow: false },
      { destination: '/topic/rooms/**', allow: true },
      { destination: '/topic/quiet/**', allow: true },
      { destination: '/topic/*/secret', allow: true },
      { destination: '/topic/users/{user}', allow: true },
      { destination: '/topic/$presence/lobby', roles: ['admin'], allow: true },
    ],
  });
  const asks = (login: string, destination: string): string | undefined => {
    const client = new BrokerFixture({}, authenticator, 'info', authorizer).connect({ login });
    client.subscribe('1', destination);
    return client.error();
  };
  t.equal(asks('ann', AT), undefined);
  t.equal(asks('ann', '/topic/$presence/quiet/1'), 'access-denied');
  t.equal(asks('ann', '/topic/$presence/other'), 'access-denied');
  t.equal(asks('ann', '/topic/$presence/secret'), 'access-denied', 'a star does not reach $presence');
  t.equal(asks('ann', '/topic/$presence/users/ann'), undefined);
  t.equal(asks('ann', '/topic/$presence/users/bob'), 'access-denied');
  t.equal(asks('ann', '/topic/$presence/lobby'), 'access-denied');
  t.equal(asks('root', '/topic/$presence/lobby'), undefined, 'allowed though the topic itself is not');
  t.equal(asks('root', '/topic/lobby'), 'access-denied');
});

t.test(
  'an authorizer of the application is asked about the topic, and told where its presence is wanted',
  async (t) => {
    const asked: unknown[] = [];
    const authorizer = {
      isAllowed: ({
        action,
        destination,
        presenceAt,
      }: {
        action: string;
        destination: string;
        presenceAt?: string | undefined;
      }) => {
        asked.push([action, destination, presenceAt]);
        return true;
      },
    };
    const fixture = new BrokerFixture({}, undefined, 'info', authorizer);
    watch(fixture.connect({ login: 'ann' }));
    t.strictSame(asked, [
      ['connect', '', undefined],
      ['subscribe', ROOM, AT],
    ]);
  },
);

t.test('a separator and prefixes of other brokers are understood', async (t) => {
  const fixture = new BrokerFixture({ destinations: { separator: '.', topicPrefixes: ['topic.', '/t'] } });
  const [ann, watcher] = [user(fixture, 'ann'), user(fixture)];
  ann.subscribe('1', 'topic.rooms.1');
  ann.subscribe('2', '/t/rooms.1');
  t.strictSame(watch(watcher, 'topic.$presence.rooms.1').news(), ['snapshot ann']);
  watcher.subscribe('q', '/t/$presence/rooms.1');
  t.strictSame(new PresenceWatcher().take(watcher.frames()).news(), ['snapshot ann']);
});

t.test('PROPERTY: whatever comes and goes, watchers believe what is true', async (t) => {
  const seed = seedOf('HOOFBEAT_FUZZ_SEED');
  t.comment(`seed ${seed}`);
  for (let round = 0; round < 30; round++) run(new SeededRandom(`${seed}-${round}`), t, `seed ${seed}, round ${round}`);
});

/** One broker, a few users and topics, watchers that come and go; at the end everybody's belief is compared. */
function run(random: SeededRandom, t: Test, where: string): void {
  const leaveDelayMs = random.pick([0, 500, 3_000]);
  const fixture = new BrokerFixture({ presence: { leaveDelayMs } });
  const topics = ['a', 'b'] as const;
  const sessions: {
    readonly client: FixtureClient;
    readonly name: string | null;
    readonly held: Map<string, string>;
  }[] = [];
  const watchers: { readonly client: FixtureClient; readonly topic: string; readonly seen: PresenceWatcher }[] = [];
  const read = (): void => {
    for (const { client, seen } of watchers) seen.take(client.frames());
  };
  let ids = 0;
  for (let step = 0; step < 120; step++) {
    const dice = random.between(0, 9);
    const index = random.between(0, Math.max(0, sessions.length - 1));
    const session = sessions[index];
    if (dice === 0 || session === undefined) {
      const name = random.pick(['ann', 'bob', 'eve', null]);
      sessions.push({ client: user(fixture, name ?? undefined), name, held: new Map() });
    } else if (dice <= 4) {
      const id = `s${ids++}`;
      const topic = random.pick(topics);
      session.held.set(id, topic);
      session.client.subscribe(id, `/topic/${topic}`);
    } else if (dice <= 6) {
      const [id] = [...session.held.keys()];
      if (id === undefined) continue;
      session.held.delete(id);
      session.client.send(frameText('UNSUBSCRIBE', { id }));
    } else if (dice === 7) {
      session.client.connection.vanish();
      sessions.splice(index, 1);
    } else if (dice === 8) {
      const topic = random.pick(topics);
      const client = user(fixture);
      watchers.push({ client, topic, seen: watch(client, `/topic/$presence/${topic}`) });
    } else {
      fixture.clock.advance(random.between(1, 4_000));
      if (watchers.length > 4) watchers.shift()?.client.connection.vanish();
    }
    if (random.chance(0.3)) read();
  }
  fixture.clock.advance(leaveDelayMs + 2_000);
  read();
  for (const { topic, seen } of watchers) {
    const there = sessions.filter(({ held }) => [...held.values()].includes(topic));
    const users = [...new Set(there.flatMap(({ name }) => name ?? []))].sort();
    t.strictSame([...seen.users].sort(), users, `${where}: users of ${topic}`);
    t.equal(seen.anonymous, there.filter(({ name }) => name === null).length, `${where}: anonymous on ${topic}`);
  }
}
