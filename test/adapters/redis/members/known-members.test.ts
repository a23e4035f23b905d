import t from 'tap';
import { KnownMembers } from '../../../../adapters/redis/members/known-members.js';
import type { LeaseAnswer } from '../../../../adapters/redis/members/lease-scripts.js';

/** What Redis says at 1,000 of its clock. @param leases how long each still lasts */
function answer(leases: Readonly<Record<string, number>>): LeaseAnswer {
  const entries = Object.entries(leases).map(([incarnation, ms]) => [incarnation, 1_000 + ms] as const);
  return { word: 'renewed', state: 's', nowMs: 1_000, leases: new Map(entries), replaced: [] };
}

t.test('who comes and who goes, this node itself left out', async (t) => {
  const known = new KnownMembers();
  t.equal(known.firstEndMs, Infinity);
  t.strictSame(known.update(answer({ own: 9, a: 500, b: 300 }), 'own', 70), { joined: ['a', 'b'], gone: [] });
  t.strictSame(known.incarnations, ['a', 'b']);
  t.equal(known.firstEndMs, 370, 'in the time of this node');
  t.strictSame(known.update(answer({ own: 9, b: 600, c: 600 }), 'own', 80), { joined: ['c'], gone: ['a'] });
  t.strictSame(known.update(answer({ b: 600, c: 600 }), 'own', 90), { joined: [], gone: [] });
});

t.test('when Redis has lost what it knew, nobody is gone before there was time to be heard of again', async (t) => {
  const known = new KnownMembers();
  known.update(answer({ a: 500, b: 500, c: 500 }), 'own', 0);
  known.forgive(1_000);
  t.strictSame(known.update(answer({ own: 500 }), 'own', 10), { joined: [], gone: [] });
  t.strictSame(known.update(answer({ own: 500, a: 500 }), 'own', 999), { joined: [], gone: [] });
  t.strictSame(known.incarnations, ['a', 'b', 'c']);
  t.strictSame(known.update(answer({ own: 500, a: 500, c: 500 }), 'own', 1_000), { joined: [], gone: ['b'] });
  t.strictSame(known.update(answer({ own: 500, c: 500 }), 'own', 1_001), { joined: [], gone: ['a'] }, 'as ever');
});
