import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { SockJsHeartBeat, type QuietConnection } from '../../../adapters/transports/sockjs-heart-beat.js';

class Quiet implements QuietConnection {
  ticks = 0;

  onHeartBeatTick(): void {
    this.ticks++;
  }
}

const DELAY_MS = 25_000;
const SWEEP_MS = DELAY_MS / 5;

function withTimers(t: Test): void {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => {
    mock.timers.reset();
  });
}

function added(heartBeat: SockJsHeartBeat, count: number): Quiet[] {
  return Array.from({ length: count }, () => {
    const connection = new Quiet();
    heartBeat.add(connection);
    return connection;
  });
}

t.test('each connection has its tick in each sweep, and a slice of them at a time', async (t) => {
  withTimers(t);
  const heartBeat = new SockJsHeartBeat(DELAY_MS);
  const connections = added(heartBeat, 1_000);
  const sum = (): number => connections.reduce((total, { ticks }) => total + ticks, 0);
  let most = 0;
  for (let at = 0; at < 2 * SWEEP_MS; at += 100) {
    const before = sum();
    mock.timers.tick(100);
    most = Math.max(most, sum() - before);
  }
  t.ok(connections.every(({ ticks }) => ticks === 2));
  t.equal(most, 20);
});

t.test('who comes within a sweep has its tick in it, who has left has none, few or many', async (t) => {
  withTimers(t);
  const heartBeat = new SockJsHeartBeat(DELAY_MS);
  const first = added(heartBeat, 3);
  mock.timers.tick(SWEEP_MS / 2);
  const later = added(heartBeat, 500);
  const [left] = later.splice(0, 1);
  if (left !== undefined) heartBeat.delete(left);
  mock.timers.tick(SWEEP_MS / 2);
  t.ok([...first, ...later].every(({ ticks }) => ticks === 1));
  t.equal(left?.ticks, 0);
  mock.timers.tick(SWEEP_MS);
  t.ok([...first, ...later].every(({ ticks }) => ticks === 2));
  for (const each of [...first, ...later]) heartBeat.delete(each);
  mock.timers.tick(SWEEP_MS);
  const [again] = added(heartBeat, 1);
  mock.timers.tick(SWEEP_MS);
  t.equal(again?.ticks, 1, 'an endpoint that was empty begins anew');
});

t.test('a short delay has sweeps of one slice, and none has no ticks', async (t) => {
  withTimers(t);
  const [often, never] = [new SockJsHeartBeat(50), new SockJsHeartBeat(0)];
  const [some] = added(often, 10);
  const [none] = added(never, 1);
  mock.timers.tick(100);
  t.equal(some?.ticks, 10);
  t.equal(none?.ticks, 0);
});
