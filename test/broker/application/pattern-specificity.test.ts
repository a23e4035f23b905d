import fc from 'fast-check';
import t from 'tap';
import { compareSpecificity } from '../../../broker/application/pattern-specificity.js';

/** From the most to the least specific. */
const ORDER = [
  '/hotels/new/rooms',
  '/hotels/new/{x}',
  '/hotels/new/*',
  '/hotels/{hotel}/{booking}',
  '/hotels/{a}/b/{c}/d/{e}',
  '/hotels/foo/bar/**',
  '/hotels/**',
  '/**',
];

t.test('fewer wild parts come first, then the longer text, ** last', async (t) => {
  for (const [index, first] of ORDER.entries()) {
    for (const second of ORDER.slice(index + 1)) {
      t.ok(compareSpecificity(first, second, '/') < 0, `${first} before ${second}`);
      t.ok(compareSpecificity(second, first, '/') > 0, `${second} after ${first}`);
    }
  }
});

t.test("what Spring's AntPathMatcher says of two patterns, this says too", async (t) => {
  const same: readonly (readonly [string, string])[] = [
    ['/hotels/{hotel}', '/hotels/{other}'],
    ['/a/{long:\\d+}', '/a/{s}'],
    ['/**', '/**'],
  ];
  for (const [a, b] of same) t.equal(compareSpecificity(a, b, '/'), 0, `${a} = ${b}`);
  const before: readonly (readonly [string, string])[] = [
    ['/hotels/{hotel}', '/hotels/*'],
    ['/a/**/z', '/{x}/{y}/{w}'],
    ['/{x}/bookings/{y}', '/hotels/**'],
    ['/hotels/{a}.*', '/hotels/**'],
  ];
  for (const [a, b] of before) t.ok(compareSpecificity(a, b, '/') < 0, `${a} before ${b}`);
  t.ok(compareSpecificity('red.blue.{g}', 'red.**', '.') < 0);
  t.ok(compareSpecificity('red.**', '**', '.') < 0);
});

t.test('swapping two patterns turns the answer round', async (t) => {
  const segment = fc.constantFrom('a', 'bb', '*', '**', '{x}', '{y:\\d+}', 'a*', '{p}.{q}');
  const pattern = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      const there = Math.sign(compareSpecificity(a, b, '/'));
      const back = Math.sign(compareSpecificity(b, a, '/'));
      return there === (back === 0 ? 0 : -back);
    }),
  );
  t.pass();
});
