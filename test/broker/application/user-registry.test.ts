import t from 'tap';
import { UserRegistry } from '../../../broker/application/user-registry.js';
import type { SessionHandle } from '../../../broker/application/session-handle.js';

function session(id: string, ...destinations: readonly string[]): SessionHandle {
  const handle: SessionHandle = {
    id,
    user: null,
    transport: 'memory',
    remoteAddress: '',
    version: '1.2',
    attributes: new Map(),
    get subscriptionList() {
      return destinations.map((destination, index) => ({ id: String(index), destination, session: handle }));
    },
    disconnect: () => undefined,
  };
  return handle;
}

t.test('a user is there from its first session to its last', async (t) => {
  const users = new UserRegistry();
  const [first, second] = [session('1'), session('2')];
  users.add('ann', first);
  users.add('ann', second);
  users.remove('ann', first);
  t.strictSame([users.count(), [...(users.sessionIds('ann') ?? [])]], [1, ['2']]);
  users.remove('ann', first);
  users.remove('ann', second);
  users.remove('ann', second);
  t.strictSame([users.count(), users.get('ann'), users.sessionIds('ann'), users.all()], [0, undefined, undefined, []]);
});

t.test('what get returns is the moment it was asked', async (t) => {
  const users = new UserRegistry();
  users.add('ann', session('1'));
  const ann = users.get('ann');
  users.add('ann', session('2'));
  t.equal(ann?.sessions.length, 1);
  t.equal(users.get('ann')?.sessions.length, 2);
});

t.test('names are compared octet by octet, and may be those of inherited properties', async (t) => {
  const users = new UserRegistry();
  users.add('__proto__', session('1'));
  t.equal(users.get('constructor'), undefined);
  t.equal(users.get('Ann'), undefined);
  t.ok(users.has('__proto__', '1'));
  t.notOk(users.has('__proto__', '2'));
});

t.test('findSubscriptions asks about each subscription of each user once', async (t) => {
  const users = new UserRegistry();
  users.add('ann', session('1', '/topic/a', '/topic/b'));
  users.add('bob', session('2', '/topic/a'));
  const asked: string[] = [];
  const found = users.findSubscriptions(({ destination, session: { id } }) => {
    asked.push(`${id} ${destination}`);
    return destination === '/topic/a';
  });
  t.strictSame(asked, ['1 /topic/a', '1 /topic/b', '2 /topic/a']);
  t.strictSame(
    found.map((subscription) => subscription.session.id),
    ['1', '2'],
  );
});
