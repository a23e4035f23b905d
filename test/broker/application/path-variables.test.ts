import t from 'tap';
import { fillVariables, VariableReader } from '../../../broker/application/path-variables.js';

function read(pattern: string, path: string, separator = '/'): Record<string, string> {
  return { ...new VariableReader(pattern, separator).read(path) };
}

t.test('variables are read by their place, behind ** from the end', async (t) => {
  t.strictSame(read('/a/{x}/b/{y}', '/a/1/b/2'), { x: '1', y: '2' });
  t.strictSame(read('/{x}/**/{y}/z', '/1/2/3/4/z'), { x: '1', y: '4' });
  t.strictSame(read('/{x}/**/{y}', '/1/2'), { x: '1', y: '2' }, '** may be nothing');
  t.strictSame(read('red.{c}.{n}', 'red.blue.7', '.'), { c: 'blue', n: '7' });
  t.strictSame(read('/plain', '/plain'), {});
});

t.test('several in one segment are told apart by what stands between and by their expressions', async (t) => {
  t.strictSame(read('/{name}.{type}', '/a.b.txt'), { name: 'a.b', type: 'txt' });
  t.strictSame(read('/{from:\\d{2}}-{to:\\d{2}}', '/12-34'), { from: '12', to: '34' });
  t.strictSame(read('/v{major:\\d+}*', '/v12-beta'), { major: '12' });
  t.strictSame(read('/?{x}', '/a1'), { x: '1' });
});

t.test('text of a segment is text, whatever it means to an expression', async (t) => {
  t.strictSame(read('/a+b({x})', '/a+b(1)'), { x: '1' });
  t.strictSame(read('/{x}$', '/a$'), { x: 'a' });
  t.strictSame(read('/{x}', '/grüße 😀'), { x: 'grüße 😀' });
});

t.test('a name like that of an inherited property is a name', async (t) => {
  const values = new VariableReader('/{__proto__}/{constructor}', '/').read('/a/b');
  t.equal(values['__proto__'], 'a');
  t.equal(values['constructor'], 'b');
});

t.test('destinations are filled in, names that are not there stay', async (t) => {
  t.equal(fillVariables('/topic/{a}/{b}.{a}', { a: '1', b: '2' }), '/topic/1/2.1');
  t.equal(fillVariables('/topic/{unknown}', {}), '/topic/{unknown}');
  t.equal(fillVariables('/topic/{a}', { a: '$&{b}', b: 'x' }), '/topic/$&{b}', 'once, and as it stands');
});
