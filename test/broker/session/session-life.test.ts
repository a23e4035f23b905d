/** Ways in which a session ends, and what is still done before. */
import t from 'tap';
import { MemoryStore } from '../../../adapters/stores/memory-store.js';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import type { StoreOperation } from '../../../broker/index.js';
import type { Principal } from '../../../broker/ports.js';

const CONNECT = frameText('CONNECT', { 'accept-version': '1.2', host: 'h' });

/** Lets promises that are settled take effect. */
const promises = () => new Promise((resolve) => setImmediate(resolve));

t.test('after ERROR the client has time to close, then it is cut', async (t) => {
  const fixture = new BrokerFixture({ limits: { lingerMs: 1_000 } });
  const client = fixture.connect();
  client.connection.answersClose = false;
  client.send('NONSENSE\n');
  t.equal(client.error(), 'command-unknown');
  t.strictSame(client.connection.calls, ['close']);
  t.equal(client.connection.closedWith?.code, 'protocol-error');
  fixture.clock.advance(900);
  t.strictSame(client.connection.calls, ['close']);
  fixture.clock.advance(200);
  t.strictSame(client.connection.calls, ['close', 'destroy']);
  t.equal(fixture.broker.stats().connections.current, 0);
  t.equal(fixture.clock.intervalCount, 0, 'no timer is left behind');
});

t.test('F-57 nothing after a fatal error is processed', async (t) => {
  const fixture = new BrokerFixture();
  const watcher = fixture.connect();
  watcher.subscribe('s', '/topic/a');
  const client = fixture.connect();
  const send = frameText('SEND', { destination: '/topic/a' }, 'x');
  client.send(`${send}SUBSCRIBE\n\n\0${send}`);
  client.connection.listener?.onBytes(Buffer.from(send), false);
  t.strictSame(watcher.bodies(), ['x']);
  t.equal(client.error(), 'header-missing');
});

t.test(
  'S-25 DISCONNECT: what came before is done, RECEIPT is the last frame, then the connection closes',
  async (t) => {
    const fixture = new BrokerFixture();
    const watcher = fixture.connect();
    watcher.subscribe('s', '/topic/a');
    const client = fixture.connect();
    const sends = Array.from({ length: 1_000 }, (_, k) => frameText('SEND', { destination: '/topic/a' }, String(k)));
    client.send(sends.join('') + frameText('DISCONNECT', { receipt: 'bye' }) + sends.join(''));
    t.strictSame(
      client.frames().map((frame) => header(frame, 'receipt-id')),
      ['bye'],
    );
    t.equal(watcher.bodies().length, 1_000);
    t.ok(client.isGone);
    t.equal(client.connection.closedWith?.code, 'client-disconnected');
  },
);

t.test('DISCONNECT of a client that does not read: everything is written before the close', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.connection.freeze();
  client.publish('/topic/a', 'x'.repeat(100_000));
  client.send(frameText('DISCONNECT', { receipt: 'bye' }));
  fixture.clock.turn();
  t.notOk(client.isGone);
  client.connection.thaw();
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['MESSAGE', 'RECEIPT'],
  );
  t.ok(client.isGone);
});

t.test(
  'R-15 what arrived before the connection went, while its authenticator was thinking, is still handled',
  async (t) => {
    let decide: (principal: Principal) => void = () => undefined;
    const verdict = new Promise<Principal>((resolve) => (decide = resolve));
    const fixture = new BrokerFixture({}, { authenticate: () => verdict });
    const client = fixture.open();
    client.send(
      frameText('CONNECT', { 'accept-version': '1.2', host: 'h', 'client-id': 'c' }) +
        frameText('SEND', { destination: '/queue/a' }, 'x'),
    );
    client.connection.vanish();
    decide({ name: 'u', roles: [] });
    await promises();
    t.strictSame(client.frames(), []);
    t.match(fixture.broker.stats(), { messagesIn: 1, connections: { current: 0 } });
    fixture.clock.advance(100);
    t.equal(fixture.clock.intervalCount, 0);
  },
);

t.test(
  'a connection that goes while its authenticator never answers is forgotten at the connect timeout',
  async (t) => {
    const fixture = new BrokerFixture({}, { authenticate: () => new Promise<Principal>(() => undefined) });
    const client = fixture.open();
    client.send(CONNECT);
    client.connection.vanish();
    t.match(fixture.broker.stats(), { connections: { current: 1 } });
    fixture.clock.advance(11_000);
    t.match(fixture.broker.stats(), { connections: { current: 0 } });
  },
);

t.test('C-36 connections that come and go leave nothing behind', async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 1_000, receiveMs: 1_000 } });
  for (let k = 0; k < 1_000; k++) {
    const client = fixture.connect({ 'heart-beat': '1000,1000', 'client-id': String(k % 7) });
    client.subscribe('s', '/topic/*');
    client.subscribe('q', '/queue/q', { ack: 'client' });
    if (k % 2 === 0) client.connection.vanish();
    else client.send(frameText('DISCONNECT', {}));
    fixture.clock.turn();
  }
  fixture.clock.advance(100);
  t.match(fixture.broker.stats(), { connections: { current: 0, total: 1_000 }, subscriptions: 0 });
  t.equal(fixture.clock.intervalCount, 0);
});

t.test('stop tells WebSockets 1001, waits for clients and cuts those that stay', async (t) => {
  const fixture = new BrokerFixture();
  const polite = fixture.connect();
  const stubborn = fixture.connect();
  stubborn.connection.answersClose = false;
  const stopped = fixture.broker.stop(500);
  t.equal(fixture.open().connection.listener, null);
  fixture.clock.advance(100);
  t.ok(polite.isGone);
  t.equal(polite.connection.closedWith?.webSocketStatus, 1001);
  t.notOk(stubborn.isGone);
  fixture.clock.advance(500);
  await stopped;
  fixture.clock.turn();
  t.ok(stubborn.isGone);
  t.equal(fixture.broker.stats().closed['server-shutdown'], 2);
});

t.test('the fault is told when a handler was still at work, too', async (t) => {
  const fixture = new BrokerFixture();
  let finish = (): void => undefined;
  fixture.broker.message('/slow', () => new Promise<void>((resolve) => (finish = resolve)));
  const ends: unknown[] = [];
  fixture.broker.events.on('disconnect', ({ reason, cause }) => ends.push([reason, cause?.message]));
  const client = fixture.connect();
  client.publish('/app/slow', '');
  client.connection.vanish(new Error('read ECONNRESET'));
  t.strictSame(ends, [], 'what it sent before is still being handled');
  finish();
  await promises();
  t.strictSame(ends, [['client-gone', 'read ECONNRESET']]);
  t.equal(fixture.broker.stats().connections.transportErrors, 1);
});

/** A store that keeps what it is asked waiting. */
class SlowStore extends MemoryStore {
  #release = (): void => undefined;
  #isHeld = false;

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#release();
  }

  override async commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.#isHeld) await new Promise<void>((resolve) => (this.#release = resolve));
    await super.commit(operations);
  }
}

t.test('a client that has ended its side is owed the RECEIPTs that wait for the store, for so long', async (t) => {
  const store = new SlowStore();
  const fixture = await BrokerFixture.storing(store, { handlers: { deadlineMs: 5_000 } });
  const client = fixture.connect();
  const { listener } = client.connection;
  t.equal(listener?.onEnd?.(), undefined, 'nothing is owed');
  for (const end of ['stored', 'late']) {
    store.hold();
    client.publish('/queue/q', 'x', { persistent: 'true', receipt: end });
    await fixture.settled();
    const seen: string[] = [];
    void listener?.onEnd?.()?.then(() => seen.push('answered'));
    await fixture.settled();
    t.strictSame(seen, []);
    if (end === 'stored') store.release();
    else fixture.clock.advance(6_000);
    await fixture.settled();
    t.strictSame(seen, ['answered']);
    t.equal(client.frames().length, end === 'stored' ? 1 : 0);
  }
  store.release();
});
