import t from 'tap';
import {
  compileSegment,
  isPattern,
  patternWeight,
  splitSegments,
  toAntPattern,
} from '../../../broker/destinations/pattern.js';

t.test('S5.1 a destination with *, ?, or { later closed by } is a pattern', async (t) => {
  for (const text of ['/topic/*', '/t?', '/a/{b}', '/a/{b:[a-z]}', '/a/{/}', '**']) t.ok(isPattern(text), text);
  for (const text of ['/topic/a', '/a/{b', '/a/}b{', '/a/b}', '/topic/#', '/topic/>', ''])
    t.notOk(isPattern(text), text);
});

t.test('repeated separators count as one', async (t) => {
  t.strictSame(splitSegments('//a///b/', '/'), ['a', 'b']);
  t.strictSame(splitSegments('a.b..c', '.'), ['a', 'b', 'c']);
  t.strictSame(splitSegments('/', '/'), []);
});

function matches(pattern: string, segment: string): boolean {
  return compileSegment(pattern)(segment);
}

t.test('S5.2 ? is one character, * any run, {n} one segment', async (t) => {
  t.ok(matches('a?c', 'abc'));
  t.notOk(matches('a?c', 'ac'));
  t.notOk(matches('a?', 'a'));
  t.ok(matches('a*c', 'ac'));
  t.ok(matches('a*c', 'abcbc'));
  t.notOk(matches('a*c', 'abcb'));
  t.ok(matches('*a*b*', 'xaxbx'));
  t.ok(matches('a**', 'abc'));
  t.ok(matches('{n}', 'anything'));
  t.ok(matches('{}', '{}'), 'braces around nothing are no variable, as in Spring');
  t.notOk(matches('{}', 'anything'));
  t.notOk(matches('{}{n:a}', 'ba'));
  t.ok(matches('x-{n}-y', 'x-1-y'));
  t.ok(matches('{a}.{b}', 'l.r'));
  t.notOk(matches('{a}.{b}', 'lr'));
  t.notOk(matches('A*', 'abc'), 'case counts');
});

t.test('S5.2 {n:regex} is one segment that matches the whole regex', async (t) => {
  t.ok(matches('{n:[a-z]+}', 'abc'));
  t.notOk(matches('{n:[a-z]+}', 'abc1'));
  t.ok(matches('{n:\\d{2,3}}', '123'));
  t.notOk(matches('{n:\\d{2,3}}', '1234'));
  t.ok(matches('v{n:\\d}.{m:\\d}', 'v1.2'), 'a dot between is a dot');
  t.notOk(matches('v{n:\\d}.{m:\\d}', 'v1x2'));
  t.ok(matches('{n:a}?', 'ab'));
  t.notOk(matches('(a){n:b}', 'ab'));
  t.ok(matches('(a){n:b}', '(a)b'), 'what stands outside braces is literal');
});

t.test('S5.5 # and > are ordinary characters', async (t) => {
  t.ok(matches('#*', '#a'));
  t.notOk(matches('>?', 'ab'));
});

t.test('a regex that could be slow or does not compile is refused', async (t) => {
  const dangerous = [
    '{n:(a+)+}',
    '{n:a|b}',
    '{n:(?=a)}',
    '{n:a*a*a*}',
    '{n:a+}{m:b+}{o:c+}',
    '{n:a{1,}b{1,}c{1,}}',
    '{n:\\1}',
    '{n:\\k<a>}',
    '{n:}',
    '{n:[}',
    '{n:[z-a]}',
    `{n:${'a?'.repeat(40)}${'a'.repeat(40)}}`,
    '*{n:a}*{m:b}*',
  ];
  for (const pattern of dangerous) {
    t.throws(() => compileSegment(pattern), { name: 'BrokerError', code: 'destination-invalid' }, pattern);
  }
  t.ok(matches('{n:\\(a\\)}', '(a)'), 'escaped parentheses are no group');
});

t.test('the slowest pattern allowed is quick on the longest segment', async (t) => {
  const segment = `${'a'.repeat(1000)}!`;
  const glob = compileSegment(`${'*a'.repeat(100)}b`);
  t.notOk(glob(segment));
  for (const pattern of ['{n:a+a+}', '{n:a*a?}', '*{n:a+}b', '{n:.*a+?}'])
    t.notOk(matches(pattern, `${segment}\n!`.slice(0, 1000) + '\u{1}b!'));
});

t.test('patterns of other brokers are read as Ant patterns; names are left as they are', async (t) => {
  const read = (pattern: string, wildcards: 'amqp' | 'activemq', separator = '.'): string =>
    toAntPattern(pattern, wildcards, separator);
  t.equal(read('/topic/a.#', 'amqp'), '/topic/a.**');
  t.equal(read('/topic/a.#.z', 'amqp'), '/topic/a.**.z');
  t.equal(read('/topic/#', 'amqp'), '/topic/*.**');
  t.equal(read('/topic/#/z', 'amqp', '/'), '/topic/**/z');
  t.equal(read('/topic/a#.b', 'amqp'), '/topic/a#.b');
  t.equal(read('/topic/a.>', 'amqp'), '/topic/a.>');
  t.equal(read('/topic/a.>', 'activemq'), '/topic/a.**');
  t.equal(read('/topic/>', 'activemq', '/'), '/topic/**');
  t.equal(read('/topic/>', 'activemq'), '/topic/*.**');
  t.equal(read('/topic/>.b', 'activemq'), '/topic/>.b', 'only the last one');
  t.equal(read('/topic/a.#', 'activemq'), '/topic/a.#');
});

t.test('what a pattern costs others is what they have to be compared with', async (t) => {
  for (const free of ['/topic/a', '/topic/*', '/topic/**', '/topic/*/a/**']) t.equal(patternWeight(free, '/'), 0, free);
  t.equal(patternWeight('/topic/price.*', '/'), 7);
  t.equal(patternWeight('/topic/{id}/a?', '/'), 6);
  t.equal(patternWeight('/topic/{n:a*}', '/'), 48);
  t.equal(patternWeight('/topic/**/alerts', '/'), 8);
  t.equal(patternWeight('topic.price*', '.'), 6);
});

t.test('a regex matches no segment beyond 128 characters', async (t) => {
  const test = compileSegment('{n:a*}');
  t.equal(test('a'.repeat(128)), true);
  t.equal(test('a'.repeat(129)), false);
  const glob = compileSegment('a*');
  t.equal(glob('a'.repeat(256)), true, 'nor anything but * and ** one beyond 256');
  t.equal(glob('a'.repeat(257)), false);
});
