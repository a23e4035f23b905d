import t from 'tap';
import { RouteTable } from '../../../broker/destinations/route-table.js';
import type { Route } from '../../../broker/destinations/route.js';

/** Idle as long as it holds nothing and nobody is subscribed. */
class TestRoute implements Route {
  readonly kind = 'topic';
  readonly isDirect = true;
  isLive = true;
  subscriberCount = 0;
  holdsMessages = false;

  constructor(readonly destination: string) {}

  get isIdle(): boolean {
    return this.subscriberCount === 0 && !this.holdsMessages;
  }

  publish(): void {
    this.holdsMessages = true;
  }

  add(): void {
    this.subscriberCount++;
  }

  remove(): void {
    this.subscriberCount--;
  }
}

function added(table: RouteTable, destination: string): TestRoute {
  const route = new TestRoute(destination);
  table.add(route);
  return route;
}

function subscribe(table: RouteTable, route: TestRoute): void {
  table.hold(route);
  route.add();
}

function unsubscribe(table: RouteTable, route: TestRoute): void {
  route.remove();
  table.unsubscribed(route);
}

t.test('of routes without a subscriber the newest are remembered', async (t) => {
  const table = new RouteTable(3);
  const routes = Array.from({ length: 10 }, (_, k) => added(table, `/topic/${k}`));
  t.equal(table.size, 3);
  t.strictSame(
    routes.filter(({ isLive }) => isLive).map(({ destination }) => destination),
    ['/topic/7', '/topic/8', '/topic/9'],
  );
  t.equal(table.get('/topic/9'), routes[9]);
  t.equal(table.get('/topic/0'), undefined);
});

t.test('a route with a subscriber stays, and is one of the others once the last has gone', async (t) => {
  const table = new RouteTable(2);
  const a = added(table, '/topic/a');
  for (let k = 0; k < 2; k++) subscribe(table, a);
  for (let k = 0; k < 10; k++) added(table, `/topic/${k}`);
  t.equal(table.size, 3);
  unsubscribe(table, a);
  t.ok(a.isLive);
  unsubscribe(table, a);
  t.equal(table.size, 2);
  t.ok(a.isLive, 'the newest of them');
  for (let k = 0; k < 2; k++) added(table, `/topic/more${k}`);
  t.notOk(a.isLive);
});

t.test('sessions that come and go with topics of their own leave a bounded number behind', async (t) => {
  const table = new RouteTable(5);
  const routes = Array.from({ length: 500 }, (_, k) => {
    const route = added(table, `/topic/${k}`);
    subscribe(table, route);
    return route;
  });
  t.equal(table.size, 500);
  for (const route of routes) unsubscribe(table, route);
  t.equal(table.size, 5);
});

t.test('what holds messages is not forgotten, nor does it keep others from being', async (t) => {
  const table = new RouteTable(4);
  const full = Array.from({ length: 8 }, (_, k) => {
    const route = new TestRoute(`/queue/full${k}`);
    route.publish();
    table.add(route);
    return route;
  });
  for (let k = 0; k < 100; k++) added(table, `/queue/${k}`);
  t.ok(full.every(({ isLive }) => isLive));
  t.ok(table.size <= 2 * full.length, `${table.size} routes`);
  for (const route of full) route.holdsMessages = false;
  for (let k = 0; k < 100; k++) added(table, `/queue/next${k}`);
  t.equal(table.size, 4);
});

t.test('with no room the route just made is there all the same', async (t) => {
  const table = new RouteTable(0);
  const route = added(table, '/topic/a');
  t.ok(route.isLive);
  subscribe(table, route);
  added(table, '/topic/b');
  t.equal(table.get('/topic/a'), route);
});

t.test('all that hold nothing can be forgotten at once', async (t) => {
  const table = new RouteTable(10);
  const [idle, held, full] = ['/topic/idle', '/topic/held', '/queue/full'].map((each) => added(table, each));
  if (held !== undefined) subscribe(table, held);
  full?.publish();
  table.forgetIdle();
  t.notOk(idle?.isLive);
  t.equal(table.size, 2);
});
