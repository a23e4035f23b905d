/**
 * Each target by its grammar, damaged or not, and again what guided runs have found worth keeping (corpus/). More of it, and
 * guided: `npm run fuzz`.
 */
import t from 'tap';
import { readCorpus } from './guided/corpus.js';
import { damage, fuzz } from './fuzz-run.js';
import { TARGETS } from './targets/index.js';

/** In the suite: a few tenths of a second each. */
const INPUTS: Readonly<Record<string, number>> = {
  'frame-parser': 3_000,
  session: 100,
  selectors: 2_000,
  patterns: 1_000,
  'stored-messages': 2_000,
  'config-loader': 100,
  'json-gateway': 60,
};

for (const [name, load] of Object.entries(TARGETS)) {
  t.test(`${name}: whatever comes, what is promised holds`, async (t) => {
    const target = await load();
    await fuzz(t, target.name, INPUTS[name] ?? 100, (random) => {
      const made = target.generate(random);
      return target.run(random.chance(0.5) ? made : damage(random, made));
    });
    const kept = readCorpus(target.name);
    const wrong: string[] = [];
    for (const input of kept) {
      try {
        await target.run(input);
      } catch (error) {
        wrong.push(`${JSON.stringify(input.toString('latin1'))}: ${String(error)}`);
      }
    }
    t.strictSame(wrong, [], `${kept.length} inputs of the corpus`);
    t.not(kept.length, 0);
    await target.stop?.();
  });
}
