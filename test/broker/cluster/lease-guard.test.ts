import t from 'tap';
import { startCluster } from '../../helpers/cluster-fixture.js';

interface Asking {
  readonly promise: Promise<void>;
  readonly end: () => void;
}

function asking(): Asking {
  let end = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { promise, end };
}

t.test('input, and what the application sends, waits in order until a node knows what it missed', async (t) => {
  const [{ fixture, members }] = await startCluster(['a']);
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('1', '/topic/x');
  const { promise, end } = asking();
  members.asking = promise;
  sender.publish('/topic/x', 'first');
  sender.publish('/topic/x', 'second');
  const sent = fixture.broker.convertAndSend('/topic/x', 'third');
  const refused = t.rejects(fixture.broker.convertAndSend('', 'nowhere'), { code: 'destination-invalid' });
  await fixture.settle();
  t.strictSame(reader.bodies(), []);
  t.ok(sender.connection.isPaused, 'its socket is not read');
  members.asking = undefined;
  end();
  await fixture.settle();
  await Promise.all([sent, refused]);
  t.notOk(sender.connection.isPaused);
  t.strictSame(reader.bodies().sort(), ['first', 'second', 'third']);
});

t.test('a client that leaves meanwhile has what it had sent handled', async (t) => {
  const [{ fixture, members }] = await startCluster(['a']);
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('1', '/topic/x');
  const { promise, end } = asking();
  members.asking = promise;
  sender.publish('/topic/x', 'last words');
  sender.connection.vanish();
  members.asking = undefined;
  end();
  await fixture.settle();
  t.strictSame(reader.bodies(), ['last words']);
});

t.test('a question is answered by what a node is, not by what it was', async (t) => {
  const [a, b] = await startCluster(['a', 'b']);
  b.fixture.connect({ login: 'bob' });
  const { promise, end } = asking();
  b.members.asking = promise;
  b.members.giveUp();
  const counting = a.fixture.broker.cluster.countUsers();
  await a.fixture.settle();
  t.match(await counting, { merged: 0, missing: [] });
  const listing = a.fixture.broker.cluster.nodes();
  b.members.asking = undefined;
  await b.members.rejoin();
  end();
  await a.fixture.settle();
  t.match(
    (await listing).merged.map(({ nodeId }) => nodeId).filter((id) => id !== 'b'),
    ['a'],
  );
  const again = a.fixture.broker.cluster.countUsers();
  await a.fixture.settle();
  t.match(await again, { merged: 1, missing: [] });
});
