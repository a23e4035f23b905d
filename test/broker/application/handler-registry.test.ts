import t from 'tap';
import { HandlerRegistry } from '../../../broker/application/handler-registry.js';

const nothing = (): undefined => undefined;

t.test(
  'S6.4 a second handler for one pattern is refused; SENDs and SUBSCRIBEs have handlers of their own',
  async (t) => {
    const registry = new HandlerRegistry('/');
    registry.message('/a/{b}', nothing).subscribeMapping('/a/{b}', nothing);
    t.throws(() => registry.message('a/{b}', nothing), { code: 'handler-exists', message: /"\/a\/\{b\}"/ });
    t.throws(() => registry.group('/a', (group) => group.message('{b}', nothing)), { code: 'handler-exists' });
    t.equal(registry.size, 2);
  },
);

t.test('a pattern that cannot be read is refused and leaves nothing behind', async (t) => {
  const registry = new HandlerRegistry('/');
  for (const pattern of ['/a/{x:(}', '/a/{x:(a|b)}', '/a/{x:[}', '/{x:a*b*c*}']) {
    t.throws(() => registry.message(pattern, nothing), { code: 'destination-invalid' }, pattern);
  }
  t.equal(registry.size, 0);
  t.equal(registry.find('message', '/a/b'), undefined);
});

t.test('a path that is spelt like a pattern is a path', async (t) => {
  const registry = new HandlerRegistry('/');
  registry.message('/a/{b}', nothing).message('/a/x', nothing);
  t.equal(registry.find('message', '/a/{b}')?.pattern, '/a/{b}');
  t.strictSame({ ...registry.find('message', '/a/{b}')?.variables.read('/a/{b}') }, { b: '{b}' });
  t.equal(registry.find('message', '/a/*')?.pattern, '/a/{b}');
});

t.test('every registration changes the version, so that what was remembered is looked up anew', async (t) => {
  const registry = new HandlerRegistry('/');
  const before = registry.version;
  registry.message('/a', nothing);
  t.not(registry.version, before);
});

t.test('groups in groups combine their prefixes and their error handlers', async (t) => {
  const registry = new HandlerRegistry('.');
  registry.onError(() => 'global');
  registry.group('a', (a) => {
    a.group('b', (b) => b.message('c', nothing).onError(() => 'b'));
    a.onError(() => 'a').message('d', nothing);
  });
  const handlersOf = (path: string): unknown[] =>
    (registry.find('message', path)?.errors.entries() ?? []).map(({ handler }) => handler(null, {} as never));
  t.strictSame(handlersOf('a.b.c'), ['b', 'a', 'global'], 'nearest first, whatever the order of registration');
  t.strictSame(handlersOf('a.d'), ['a', 'global']);
});

t.test('two groups with one prefix keep their error handlers apart', async (t) => {
  const registry = new HandlerRegistry('/');
  for (const name of ['one', 'two'])
    registry.group('/g', (group) => group.message(`/${name}`, nothing).onError(() => name));
  for (const name of ['one', 'two']) {
    const [entry] = registry.find('message', `/g/${name}`)?.errors.entries() ?? [];
    t.equal(entry?.handler(null, {} as never), name);
  }
});
