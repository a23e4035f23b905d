import t from 'tap';
import { Headers } from '../../protocol/index.js';

t.test('the first of a repeated name counts and all are kept in order', async (t) => {
  const headers = new Headers([
    ['a', '1'],
    ['b', '2'],
  ]);
  headers.append('a', '3');
  t.equal(headers.get('a'), '1');
  t.equal(headers.size, 3);
  t.strictSame(
    [...headers],
    [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ],
  );
  t.strictSame(
    [...headers.toMap()],
    [
      ['a', '1'],
      ['b', '2'],
    ],
  );
});

t.test('names of Object.prototype are names like any other', async (t) => {
  const headers = new Headers();
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.equal(headers.get(name), undefined);
    t.notOk(headers.has(name));
    headers.append(name, 'x');
    t.equal(headers.get(name), 'x');
    t.ok(headers.has(name));
  }
});

t.test('an empty value is a value', async (t) => {
  const headers = new Headers([['a', '']]);
  t.equal(headers.get('a'), '');
  t.ok(headers.has('a'));
  t.notOk(headers.has('A'), 'case counts');
});
