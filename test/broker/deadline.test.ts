import t from 'tap';
import { Broker } from '../../broker/index.js';
import { withDeadline } from '../../broker/deadline.js';
import { BrokerError } from '../../broker/errors.js';
import { frameText } from '../helpers/broker-fixture.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { MemoryConnection } from '../helpers/memory-connection.js';
import { settle } from '../helpers/settle.js';

const late = (): BrokerError => new BrokerError('handler-timeout', 'late');

t.test('what settles in time settles as it does, and leaves no timer', async (t) => {
  const clock = new FakeClock();
  t.equal(await withDeadline(Promise.resolve(1), clock, 100, late), 1);
  await t.rejects(withDeadline(Promise.reject(new Error('own')), clock, 100, late), { message: 'own' });
  t.equal(clock.intervalCount, 0);
});

t.test('what comes after the deadline is ignored', async (t) => {
  const clock = new FakeClock();
  let finish: (value: number) => void = () => undefined;
  const result = withDeadline(new Promise<number>((resolve) => (finish = resolve)), clock, 100, late);
  clock.advance(100);
  finish(1);
  await t.rejects(result, { code: 'handler-timeout' });
  t.equal(clock.intervalCount, 0);
});

t.test('rules and authenticators that hang hold a session, present or gone, no longer than the deadline', async (t) => {
  const clock = new FakeClock();
  const silent = (): void => undefined;
  let hangs = false;
  const verdict = <T>(value: T): T | Promise<T> => (hangs ? new Promise<T>(() => undefined) : value);
  const broker = new Broker(
    { heartBeat: { sendMs: 0, receiveMs: 0 }, handlers: { deadlineMs: 1_000 } },
    {
      clock,
      logger: { level: 'silent', debug: silent, info: silent, warn: silent, error: silent },
      authenticator: { authenticate: () => verdict({ name: 'ann', roles: [] }) },
      authorizer: { isAllowed: ({ destination }) => destination.startsWith('/app') || verdict(true) },
    },
  );
  await broker.start();
  const connections = ['/topic/a', '/app/$session/renew', '/topic/a', '/app/$session/renew'].map(
    (destination, index) => {
      hangs = false;
      const connection = new MemoryConnection((task) => {
        clock.soon(task);
      });
      connection.listener = broker.accept(connection);
      connection.feed(frameText('CONNECT', { 'accept-version': '1.2', host: 'h' }));
      clock.turn();
      t.match(connection.take().toString(), /^CONNECTED/);
      hangs = true;
      connection.feed(frameText('SEND', { destination }));
      if (index > 1) connection.vanish();
      return connection;
    },
  );
  clock.advance(999);
  await settle();
  t.equal(broker.stats().connections.current, 4);
  clock.advance(1);
  await settle();
  clock.turn();
  t.match(connections[0]?.take().toString(), /^ERROR\nmessage:No verdict within 1000 ms\ncode:access-denied/);
  t.match(connections[1]?.take().toString(), /^ERROR\nmessage:No verdict within 1000 ms\ncode:authentication-failed/);
  t.equal(broker.stats().connections.current, 0);
});
