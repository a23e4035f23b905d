import t from 'tap';
import { Crowd, turn } from '../../bench/in-process/crowd.js';
import { cpuMicrosOf, usedBytes } from '../../bench/in-process/garbage.js';

t.test('every message of a crowd reaches its subscriber, and all can leave', async (t) => {
  const crowd = await Crowd.open();
  await crowd.subscribe(['/topic/a', '/topic/b', '/topic/c*'], 2);
  t.equal(crowd.broker.stats().subscriptions, 3);
  t.equal(crowd.connections.length, 2);
  const before = crowd.broker.stats().framesOut;
  const publish = crowd.publishing(128, (k) => (k % 2 === 0 ? '/topic/a' : '/topic/cd'));
  await publish();
  for (let turns = 0; turns < 100; turns++) await turn();
  // And CONNECTED of the publisher.
  t.equal(crowd.broker.stats().framesOut - before, 129);
  await crowd.leave();
  t.equal(crowd.broker.stats().connections.current, 0);
  t.equal(crowd.broker.stats().subscriptions, 0);
  await crowd.broker.stop(0);
});

t.test('what is kept is counted, and what is not is not', async (t) => {
  const before = usedBytes();
  const kept = Buffer.alloc(10_000_000);
  t.ok(usedBytes() - before > 9_000_000);
  t.equal(kept.length, 10_000_000);
  t.ok((await cpuMicrosOf(() => undefined)) >= 0);
});
