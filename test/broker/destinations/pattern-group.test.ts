import t from 'tap';
import { PatternGroup } from '../../../broker/destinations/pattern-group.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

t.test('who was added and has not left is a member, once', async (t) => {
  const random = new SeededRandom('pattern group');
  const group = new PatternGroup(0);
  const wanted = new Set([0]);
  for (let k = 1; k <= 200; k++) {
    group.add(k);
    wanted.add(k);
    const gone = random.between(0, k);
    t.equal(group.remove(gone), wanted.delete(gone));
  }
  t.strictSame(
    [...group.members].sort((a, b) => a - b),
    [...wanted].sort((a, b) => a - b),
  );
  for (const member of wanted) t.ok(group.remove(member));
  t.strictSame(group.members, []);
});

t.test('a member of many is not searched for', async (t) => {
  const group = new PatternGroup(0);
  for (let k = 1; k < 1_000; k++) group.add(k);
  let searches = 0;
  Object.defineProperty(group.members, 'indexOf', { value: () => searches++ });
  for (let k = 999; k >= 0; k -= 2) t.ok(group.remove(k));
  t.equal(searches, 0);
  t.equal(group.members.length, 500);
});
