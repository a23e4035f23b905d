import t from 'tap';
import { firstBehind } from '../../../broker/cluster/page.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

t.test('the first ones behind a key, as a sorted list would have them', async (t) => {
  const random = new SeededRandom('pages');
  for (let round = 0; round < 200; round++) {
    const words = [...new Set(Array.from({ length: random.between(0, 60) }, () => String(random.between(0, 90))))];
    const [limit, after] = [random.between(1, 12), random.chance(0.3) ? '' : String(random.between(0, 90))];
    const wanted = words
      .filter((word) => word > after)
      .sort((a, b) => (a < b ? -1 : 1))
      .slice(0, limit);
    const got = firstBehind(words, (word) => word, { limit, after });
    if (JSON.stringify(got) !== JSON.stringify(wanted)) t.strictSame(got, wanted, `round ${round}`);
  }
  t.strictSame(
    firstBehind([{ k: 'b' }, { k: 'a' }], ({ k }) => k, { limit: 1, after: '' }),
    [{ k: 'a' }],
  );
});
