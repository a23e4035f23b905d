import t from 'tap';
import {
  type ClusterSession,
  countNames,
  mergeSessions,
  mergeUsers,
  packNames,
  sumOf,
} from '../../../broker/cluster/node-views.js';

function session(id: string, nodeId: string): ClusterSession {
  return { id, nodeId, user: 'u', transport: 'tcp', remoteAddress: '', version: '1.2', subscriptions: 0 };
}

t.test('numbers are added up, whatever they stand in', async (t) => {
  t.strictSame(
    sumOf<unknown>([
      { a: 1, b: { c: 2 }, d: null, e: 'x' },
      { a: 10, b: { c: 20, f: 5 }, d: { g: 7 }, e: 'y' },
    ]),
    { a: 11, b: { c: 22, f: 5 }, d: { g: 7 }, e: 'x' },
  );
  t.strictSame([sumOf([1, 2, 3]), sumOf<null>([null, null])], [6, null]);
});

t.test('names on several nodes count once', async (t) => {
  const many = Array.from({ length: 50_000 }, (_, k) => `user-${k}`);
  t.equal(countNames([packNames(many), packNames(many.slice(40_000)), packNames(['user-50000', 'ä'])]), 50_002);
  t.equal(countNames([packNames([]), '']), 0);
});

t.test('pages of nodes become one page', async (t) => {
  const ofA = [
    { name: 'ann', sessions: [session('1', 'a')] },
    { name: 'carl', sessions: [session('2', 'a')] },
  ];
  const ofB = [
    { name: 'ann', sessions: [session('3', 'b')] },
    { name: 'bob', sessions: [session('4', 'b')] },
  ];
  const first = mergeUsers([ofA, ofB], { limit: 2, after: '' });
  t.strictSame(
    first.users.map(({ name, sessions }) => [name, sessions.map(({ id }) => id)]),
    [
      ['ann', ['1', '3']],
      ['bob', ['4']],
    ],
  );
  t.equal(first.next, 'bob');
  t.equal(mergeUsers([ofA, ofB], { limit: 9, after: '' }).next, null);
  const sessions = mergeSessions([[session('b', 'a')], [session('a', 'b'), session('c', 'b')]], {
    limit: 2,
    after: '',
  });
  t.strictSame([sessions.sessions.map(({ id }) => id), sessions.next], [['a', 'b'], 'b']);
});
