/** The guided fuzzer itself: what it puts into code, and that it finds what chance does not. */
import t from 'tap';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { distil } from './guided/corpus.js';
import { CoverageMap } from './guided/coverage-map.js';
import { GuidedFuzz } from './guided/guided-fuzz.js';
import { instrument } from './guided/instrument.js';
import { join, split } from './guided/mutate.js';
import type { Target } from './targets/target.js';

/** The module's exports, run with counters. */
async function load(
  source: string,
  coverage: CoverageMap,
): Promise<Readonly<Record<string, (...given: unknown[]) => unknown>>> {
  coverage.install();
  const { source: marked } = instrument(source, 'toy.js');
  return (await import(`data:text/javascript,${encodeURIComponent(marked)}`)) as Record<string, () => unknown>;
}

t.test('instrumented code does what it did, in as many lines', async (t) => {
  const source = `
    export const arrow = (a) => a > 1 ? a && { a } : a ?? 'none';
    export function branches(n) {
      let text = '';
      for (let k = 0; k < n; k++) if (k % 2) text += 'odd'; else if (k > 3) { text += 'big'; } else text += 'even';
      do n--; while (n > 0);
      switch (text.length) { case 4: return 'four'; case 0: default: try { return text.repeat(text.length > 7 ? -1 : 1); } catch { return 'caught'; } }
    }
    class Box { #value = 1; get value() { return this.#value; } add = (by) => this.#value += by; }
    export const box = () => { const made = new Box(); made.add(2); return made.value; };`;
  const coverage = new CoverageMap();
  const toy = await load(source, coverage);
  t.strictSame([toy['arrow']?.(2), toy['arrow']?.(null), toy['arrow']?.(0)], [{ a: 2 }, 'none', 0]);
  t.strictSame(
    [0, 1, 2, 3, 9].map((n) => toy['branches']?.(n)),
    ['', 'four', 'evenodd', 'caught', 'caught'],
  );
  t.equal(toy['box']?.(), 3);
  t.equal(instrument(source, 'toy.js').source.split('\n').length, source.split('\n').length);
  t.ok(coverage.literals.includes('four'));
});

t.test('what is new is told once, and a block that runs more often is new again', async (t) => {
  const coverage = new CoverageMap();
  const toy = await load('export function loop(n) { for (let k = 0; k < n; k++) { n = n; } }', coverage);
  const found = (n: number): number => {
    coverage.begin();
    toy['loop']?.(n);
    return coverage.takeNew().length;
  };
  t.strictSame(
    [found(0), found(0), found(1), found(1), found(2), found(4), found(7), found(200), found(300)],
    [1, 0, 1, 0, 1, 1, 0, 1, 0],
  );
  t.equal(coverage.reached, 2);
});

t.test('step by step it finds what chance would not, and makes it small', async (t) => {
  const source = `export function open(text) {
    if (text[0] === 'H') if (text[1] === 'o') if (text[2] === 'o') if (text[3] === 'f') if (text.length > 6) throw new Error('found');
  }`;
  const coverage = new CoverageMap();
  const toy = await load(source, coverage);
  const target: Target = {
    name: 'toy',
    covers: [],
    separator: null,
    maxBytes: 40,
    words: [],
    generate: (random: SeededRandom) => Buffer.from(Array.from({ length: 8 }, () => random.between(32, 126))),
    run(input) {
      toy['open']?.(input.toString('latin1'));
    },
  };
  const { fault } = await new GuidedFuzz(target, coverage, {
    seed: '1',
    inputs: 50_000,
    isGuided: true,
    corpus: [],
  }).run();
  t.match(fault?.input.toString('latin1'), /^Hoof...$/);
});

t.test('records are put together as they were taken apart', async (t) => {
  for (const text of ['', '|', 'a|b', 'a||b|', '||']) {
    const octets = Buffer.from(text);
    t.strictSame(join(split(octets, { separator: 0x7c }), { separator: 0x7c }), octets);
  }
});

t.test('a corpus is distilled to the smallest inputs that reach all blocks', async (t) => {
  const reaching = (text: string, ...blocks: number[]) => ({
    input: Buffer.from(text),
    features: blocks.map((block) => block * 256 + 1),
  });
  const kept = distil([
    reaching('long way', 1, 2),
    reaching('one', 1),
    reaching('both', 1, 2),
    reaching('three', 3, 1),
  ]);
  t.strictSame(kept.map(String).sort(), ['both', 'three']);
});
