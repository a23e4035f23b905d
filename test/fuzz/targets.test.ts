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
  'frame-parser': 1_500,
  session: 60,
  selectors: 1_000,
  patterns: 500,
  'stored-messages': 500,
  'config-loader': 50,
  'json-gateway': 25,
};

/** Of a long run: these alone. */
const ONLY = process.env['HOOFBEAT_FUZZ_TARGETS']?.split(',') ?? Object.keys(TARGETS);

for (const [name, load] of Object.entries(TARGETS)) {
  if (!ONLY.includes(name)) continue;
  t.test(`${name}: whatever comes, what is promised holds`, async (t) => {
    const target = await load();
    t.teardown(() => target.stop?.());
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
  });
}
