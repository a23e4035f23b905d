/** The admin API over two nodes with a real Redis: what is of one node says so, what is of all of them is whole. */
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../../adapters/index.js';
import { startAdmin, type TestAdmin } from '../../helpers/admin.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { until } from '../../helpers/until.js';

/** Where all are there to answer, on a machine that is busy. */
const PATIENT = 'deadlineMs=10000';

function optionsOf({ url }: RedisProcess, nodeId: string): ServerOptions {
  return {
    broker: { nodeId },
    auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
    relay: { type: 'redis', url, leaseMs: 30_000, reconnect: { initialDelayMs: 20, maxDelayMs: 100 } },
  };
}

async function connectAs(t: Test, { tcpPort }: TestAdmin, user: string): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', { 'X-User': user });
  return client;
}

interface Scene {
  readonly redis: RedisProcess;
  readonly a: TestAdmin;
  readonly b: TestAdmin;
}

async function startBoth(t: Test): Promise<Scene> {
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startAdmin(t, {}, optionsOf(redis, 'a')), await startAdmin(t, {}, optionsOf(redis, 'b'))];
  return { redis, a, b };
}

async function get(node: TestAdmin, path: string): Promise<Record<string, unknown>> {
  return (await node.ask('GET', path, { as: 'viewer' })).body as Record<string, unknown>;
}

if (requireProgram(t, 'redis-server')) {
  t.test('each answer says whose it is, and lists are of the node that is asked', async (t) => {
    const { a, b } = await startBoth(t);
    await connectAs(t, a, 'ann');
    await connectAs(t, b, 'bob');
    for (const path of ['/users', '/health', '/nowhere']) {
      t.equal((await a.ask('GET', path)).headers.get('hoofbeat-node'), 'a');
      t.equal((await b.ask('GET', path)).headers.get('hoofbeat-node'), 'b');
    }
    t.match(await get(b, '/stats'), { server: { nodeId: 'b' }, users: 1 });
    t.match(await get(a, '/users'), { items: [{ name: 'ann' }], total: 1 });
    t.equal((await a.ask('GET', '/users/bob')).status, 404);
    t.match((await a.ask('POST', '/drain', { body: { perSecond: 0 } })).body, { isActive: true });
    t.match(await get(b, '/drain'), { isActive: false });
    const { nodes } = (await get(b, `/cluster?${PATIENT}`)) as { nodes: { nodeId: string; isAccepting: boolean }[] };
    t.strictSame(nodes.map(({ nodeId, isAccepting }) => `${nodeId} ${String(isAccepting)}`).sort(), [
      'a false',
      'b true',
    ]);
  });

  t.test('users and sessions of all nodes, page by page, from whichever node', async (t) => {
    const { a, b } = await startBoth(t);
    for (const user of ['ann', 'cid', 'eve']) await connectAs(t, a, user);
    for (const user of ['ann', 'bob', 'dan']) await connectAs(t, b, user);
    for (const node of [a, b]) {
      const names: string[] = [];
      let next: string | null = '';
      while (next !== null) {
        const cursor: string = next === '' ? '' : `&cursor=${next}`;
        const page = await get(node, `/cluster/users?limit=2&${PATIENT}${cursor}`);
        t.strictSame(page['missing'], []);
        names.push(...(page['items'] as { name: string }[]).map(({ name }) => name));
        next = page['next'] as string | null;
      }
      t.strictSame(names, ['ann', 'bob', 'cid', 'dan', 'eve']);
    }
    const ann = (await get(b, `/cluster/users/ann?${PATIENT}`)) as { sessions: { nodeId: string }[] };
    t.strictSame(ann.sessions.map(({ nodeId }) => nodeId).sort(), ['a', 'b']);
    t.equal((await a.ask('GET', `/cluster/users/nobody?${PATIENT}`)).status, 404);
    const all = (await get(a, `/cluster/sessions?${PATIENT}`)) as { items: { id: string }[]; next: unknown };
    t.strictSame([all.items.length, all.next], [6, null]);
    t.match(await get(a, `/cluster/sessions?user=bob&${PATIENT}`), { items: [{ user: 'bob', nodeId: 'b' }] });
    const first = (await get(a, `/cluster/sessions?limit=4&${PATIENT}`)) as { items: { id: string }[]; next: string };
    const rest = (await get(b, `/cluster/sessions?limit=4&${PATIENT}&cursor=${first.next}`)) as typeof first;
    t.strictSame(
      [...first.items, ...rest.items].map(({ id }) => id),
      all.items.map(({ id }) => id),
    );
    t.equal((await a.ask('GET', `/cluster/users?cursor=${first.next}`)).status, 400, 'a cursor of another list');
  });

  t.test('what is done to a user reaches all nodes, and a node that is away is named', async (t) => {
    const { redis, a, b } = await startBoth(t);
    const [here, there] = [await connectAs(t, a, 'ann'), await connectAs(t, b, 'ann')];
    for (const client of [here, there]) await client.subscribe('/user/queue/notices');
    const body = { destination: '/queue/notices', body: 'hello' };
    t.match((await a.ask('POST', '/users/ann/messages', { body })).body, { accepted: true, sessions: 2 });
    for (const client of [here, there]) t.equal((await client.frame('MESSAGE')).text, 'hello');
    t.match((await a.ask('DELETE', '/users/ann/sessions')).body, { disconnected: 2, missing: [] });
    for (const client of [here, there]) await client.closed();
    await redis.stop();
    await until('Redis to be away', () => !a.server.broker.health().isOk);
    await connectAs(t, a, 'eve');
    t.match(await get(a, '/cluster/users?deadlineMs=50'), { items: [{ name: 'eve' }], missing: ['b'] });
    t.match(await get(a, '/cluster/users/bob?deadlineMs=50'), { name: 'bob', sessions: [], missing: ['b'] });
    t.match(await get(a, '/health'), { isReady: true, isDegraded: true });
  });
}
