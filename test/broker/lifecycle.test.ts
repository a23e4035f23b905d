import t from 'tap';
import { BrokerError } from '../../broker/index.js';
import { BrokerFixture } from '../helpers/broker-fixture.js';
import { LastingStore } from '../helpers/lasting-store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import type { StoreContents } from '../../broker/ports.js';

const STARTED = /^Broker\.start: the broker is started already$/;

/** Opens when the test says so. */
class SlowStore extends LastingStore {
  opened: () => void = () => undefined;
  failure: Error | null = null;
  isClosed = false;

  override async open(): Promise<StoreContents> {
    await new Promise<void>((resolve) => (this.opened = resolve));
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    return super.open();
  }

  override async close(): Promise<void> {
    this.isClosed = true;
    return super.close();
  }
}

function fixtureOn(store: LastingStore): BrokerFixture {
  return new BrokerFixture({}, undefined, 'info', null, { store });
}

t.test('a broker that is started is not started again', async (t) => {
  const { broker } = new BrokerFixture();
  await t.rejects(broker.start(), { message: STARTED });
  await broker.stop();
  await broker.start();
  await t.rejects(broker.start(), { message: STARTED });
});

t.test('nor one whose start is under way', async (t) => {
  const store = new SlowStore(new FakeClock());
  const fixture = fixtureOn(store);
  await t.rejects(fixture.broker.start(), { message: STARTED });
  store.opened();
  await fixture.started;
  fixture.connect();
});

t.test('a store that could not be opened may be tried again', async (t) => {
  const store = new SlowStore(new FakeClock());
  const fixture = fixtureOn(store);
  store.failure = new BrokerError('store-failed', 'in use');
  store.opened();
  await t.rejects(fixture.started, { message: 'in use' });
  const second = fixture.broker.start();
  store.opened();
  await second;
  fixture.connect();
});

t.test('with a store a broker is started once: what it holds would be there twice', async (t) => {
  const store = new LastingStore(new FakeClock());
  const first = await BrokerFixture.storing(store);
  first.connect().publish('/queue/q', 'once', { persistent: 'true' });
  await first.settle();
  const stopped = first.broker.stop(0);
  first.clock.advance(20);
  await stopped;
  await t.rejects(first.broker.start(), { message: /^Broker\.start: a broker with a store is started once/ });
  const second = await BrokerFixture.storing(store);
  const client = second.connect();
  client.subscribe('s', '/queue/q');
  await second.settle();
  t.strictSame(client.bodies(), ['once']);
});

t.test('stop lets a start under way finish, and closes what it opened', async (t) => {
  const store = new SlowStore(new FakeClock());
  const fixture = fixtureOn(store);
  const stopped = fixture.broker.stop();
  store.opened();
  await fixture.started;
  await fixture.settle();
  await stopped;
  t.ok(store.isClosed);
  t.throws(() => fixture.connect());
});
