import t from 'tap';
import { duration, painter, printable, tableLines } from '../../../adapters/cli/terminal.js';

t.test('colours are for terminals that want them', async (t) => {
  const terminal = { isTTY: true };
  t.equal(painter({}, terminal)('red', 'x'), '\x1b[31mx\x1b[0m');
  t.equal(painter({ NO_COLOR: '1' }, terminal)('red', 'x'), 'x');
  t.equal(painter({ NO_COLOR: '' }, terminal)('red', 'x'), '\x1b[31mx\x1b[0m', 'an empty variable counts as not set');
  t.equal(painter({ TERM: 'dumb' }, terminal)('red', 'x'), 'x');
  t.equal(painter({}, {})('red', 'x'), 'x');
});

t.test('control characters are shown, not obeyed', async (t) => {
  t.equal(printable('a\x1b[2J\n\t\x9b\x7f\0é'), 'a\\x1b[2J\\n\\t\\x9b\\x7f\\x00é');
});

t.test('columns are as wide as what stands in them, numbers to the right', async (t) => {
  const plain = painter({}, {});
  const rows = [
    ['a', 1],
    ['a\nb', 100],
  ];
  t.strictSame(tableLines(['NAME', 'N'], rows, plain), ['NAME    N', 'a       1', 'a\\nb  100']);
  t.strictSame(tableLines(['A', 'B'], [], plain), ['A  B']);
});

t.test('a duration is a number of the unit that fits', async (t) => {
  t.strictSame([0, 119_499, 120_000, 7_200_000, 172_800_000, -5].map(duration), [
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
    '0 s',
  ]);
});
