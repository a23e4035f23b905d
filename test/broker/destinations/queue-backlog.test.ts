import fc from 'fast-check';
import t from 'tap';
import { QueueBacklog, QueuedMessage } from '../../../broker/destinations/queue-backlog.js';
import { DEFAULT_TERMS } from '../../../broker/destinations/message-terms.js';
import { Message } from '../../../broker/message.js';
import { check } from '../../helpers/properties.js';

function queued(id: number, priority = 4, deliveryCount = 0): QueuedMessage {
  const message = Message.fromHeaders(id, [], Buffer.from('x'.repeat(id % 7)));
  message.terms = { ...DEFAULT_TERMS, priority };
  return new QueuedMessage(message, deliveryCount);
}

function drain(backlog: QueueBacklog): number[] {
  const ids: number[] = [];
  for (let entry = backlog.head; entry !== undefined; entry = backlog.head) {
    ids.push(entry.message.id);
    backlog.take(entry);
  }
  return ids;
}

t.test('higher priority first, in order within one', async (t) => {
  const backlog = new QueueBacklog();
  for (const [id, priority] of [
    [1, 4],
    [2, 9],
    [3, 0],
    [4, 9],
    [5, 4],
  ] as const) {
    backlog.put(queued(id, priority));
  }
  t.equal(backlog.leastWanted?.message.id, 3);
  t.strictSame(
    [...backlog].map(({ message }) => message.id),
    [2, 4, 1, 5, 3],
  );
  t.strictSame(drain(backlog), [2, 4, 1, 5, 3]);
  t.equal(backlog.size, 0);
  t.equal(backlog.bytes, 0);
  t.equal(backlog.leastWanted, undefined);
});

t.test('what comes back takes its old place', async (t) => {
  const backlog = new QueueBacklog();
  for (let id = 1; id <= 6; id++) backlog.put(queued(id));
  const taken = Array.from({ length: 4 }, () => {
    const head = backlog.head as QueuedMessage;
    backlog.take(head);
    return head.message.id;
  });
  t.strictSame(taken, [1, 2, 3, 4]);
  backlog.putBack([queued(3), queued(1)]);
  backlog.putBack([queued(2)]);
  t.strictSame(drain(backlog), [1, 2, 3, 5, 6]);
});

t.test('the one at hand may be taken while walking', async (t) => {
  const backlog = new QueueBacklog();
  for (let id = 1; id <= 5_000; id++) backlog.put(queued(id));
  for (const entry of backlog) if (entry.message.id % 5 !== 0) backlog.take(entry);
  t.strictSame(
    drain(backlog),
    Array.from({ length: 1_000 }, (_, k) => (k + 1) * 5),
  );
});

/** How often the numbers of so many messages are compared when every other one arrives late, by a burst or one by one. */
function comparisons(count: number, isBurst: boolean): number {
  let compared = 0;
  const counted = (id: number): QueuedMessage => {
    const entry = queued(id);
    Object.defineProperty(entry.message, 'id', {
      get: () => {
        compared++;
        return id;
      },
    });
    return entry;
  };
  const backlog = new QueueBacklog();
  const late: QueuedMessage[] = [];
  for (let id = 1; id <= count; id++) {
    if (id % 2 === 0) backlog.put(counted(id));
    else late.push(counted(id));
  }
  if (isBurst) for (const entry of late) backlog.put(entry);
  else for (const entry of late) backlog.putBack([entry]);
  return compared;
}

t.test('a message that arrives late finds its place without a look at all that is older', async (t) => {
  for (const isBurst of [true, false]) {
    const count = 4_096;
    // A bisection each, with a few looks to spare.
    t.ok(comparisons(count, isBurst) < count * (Math.log2(count) + 8));
  }
});

t.test('any run of puts, takes and returns keeps the order of a sorted list', async (t) => {
  const step = fc.record({
    kind: fc.constantFrom('put', 'put', 'late', 'head', 'least', 'middle', 'back'),
    priority: fc.integer({ min: 0, max: 9 }),
    at: fc.nat(),
  });
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const backlog = new QueueBacklog();
    let model: QueuedMessage[] = [];
    let away: QueuedMessage[] = [];
    let lastId = 0;
    const late = new Set<number>();
    const put = (id: number, priority: number): void => {
      const entry = queued(id, priority);
      backlog.put(entry);
      model.push(entry);
    };
    const sort = (): void => {
      model.sort((a, b) => b.priority - a.priority || a.message.id - b.message.id);
    };
    const take = (entry: QueuedMessage | undefined): void => {
      if (entry === undefined) return;
      backlog.take(entry);
      model = model.filter((other) => other !== entry);
      away.push(entry);
    };
    for (const { kind, priority, at } of steps) {
      if (kind === 'put') {
        // Every other number stays free for one that arrives later than its place says.
        late.add(++lastId);
        put(++lastId, priority);
      } else if (kind === 'late') {
        const id = [...late][at % Math.max(late.size, 1)];
        if (id !== undefined && late.delete(id)) put(id, priority);
      } else if (kind === 'head') take(backlog.head);
      else if (kind === 'least') take(backlog.leastWanted);
      else if (kind === 'middle') take(model[at % Math.max(model.length, 1)]);
      else {
        const again = away.map((entry) => new QueuedMessage(entry.message, entry.deliveryCount + 1));
        away = [];
        backlog.putBack(again);
        model.push(...again);
      }
      sort();
      const wanted = model.map(({ message }) => message.id).join();
      const got = [...backlog].map(({ message }) => message.id).join();
      if (got !== wanted) throw new Error(`${got} instead of ${wanted}`);
      if (backlog.head !== model[0]) throw new Error('another head');
      if (backlog.size !== model.length) throw new Error('another size');
      const bytes = model.reduce((sum, { message }) => sum + message.weightBytes, 0);
      if (backlog.bytes !== bytes) throw new Error(`${backlog.bytes} octets instead of ${bytes}`);
    }
  });
  check(t, property, 200);
});

/**
 * A backlog whose pages a test serves when it likes, beside a list of what has to be in it. Messages are put, delayed,
 * taken from the head, put back, and pages come in late: nothing is lost, doubled or out of order.
 */
t.test('with pages, the head is always the message that has waited longest, whenever pages come', async (t) => {
  const action = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ what: fc.constant('put' as const), priority: fc.integer({ min: 3, max: 5 }) }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('delay' as const), priority: fc.constant(4) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('due' as const), priority: fc.constant(4) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('take' as const), priority: fc.constant(4) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('return' as const), priority: fc.constant(4) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('load' as const), priority: fc.constant(4) }) },
  );
  const property = fc.property(
    fc.array(action, { maxLength: 120 }),
    fc.integer({ min: 0, max: 8 }),
    (actions, stored) => {
      const store = new Map<number, number>();
      const loads: { priority: number; after: number }[] = [];
      const pager = { load: (priority: number, after: number) => loads.push({ priority, after }) };
      const backlog = new QueueBacklog(pager, { maxMessages: 4, maxBytes: 1e6, readAheadAt: 2 });
      let id = 0;
      const make = (n: number, priority: number): QueuedMessage => {
        const entry = queued(n, priority);
        entry.message.isStored = true;
        return entry;
      };
      for (; id < stored;) store.set(++id, 4);
      const bytes = Array.from({ length: stored }, (_, k) => make(k + 1, 4).message.weightBytes);
      if (stored > 0)
        backlog.restore(
          4,
          stored,
          bytes.reduce((sum, each) => sum + each, 0),
        );
      const waiting = new Set<number>(store.keys());
      const [delayed, taken]: [QueuedMessage[], QueuedMessage[]] = [[], []];
      const serve = (): boolean => {
        const load = loads.shift();
        if (load === undefined) return false;
        const ids = [...store].filter(([n, priority]) => priority === load.priority && n > load.after).map(([n]) => n);
        const page = ids.sort((a, b) => a - b).slice(0, 3);
        backlog.putBack(
          backlog.loaded(
            load.priority,
            page.map((n) => make(n, load.priority)),
          ),
        );
        return true;
      };
      const expected = (): number | undefined =>
        [...waiting].sort((a, b) => (store.get(b) ?? 0) - (store.get(a) ?? 0) || a - b)[0];
      /** The head, with every page that is missing for it served. */
      const head = (): QueuedMessage | undefined => {
        for (;;) {
          const entry = backlog.head;
          if (entry !== undefined || !serve()) return entry;
        }
      };
      for (const { what, priority } of actions) {
        if (what === 'put' || what === 'delay') {
          store.set(++id, priority);
          const entry = make(id, priority);
          if (what === 'put') {
            waiting.add(id);
            backlog.put(entry);
          } else {
            delayed.push(entry);
            backlog.keepsApart(entry);
          }
        } else if (what === 'due') {
          const entry = delayed.shift();
          if (entry === undefined) continue;
          waiting.add(entry.message.id);
          backlog.putBack([entry]);
        } else if (what === 'return') {
          const entry = taken.shift();
          if (entry === undefined) continue;
          waiting.add(entry.message.id);
          backlog.putBack([new QueuedMessage(entry.message, 1)]);
        } else if (what === 'load') serve();
        else {
          const entry = head();
          // A delayed message that is due late may find younger ones in memory: its place is behind its page.
          if (delayed.length === 0 && entry?.message.id !== expected() && !hadDelays(actions)) return false;
          if (entry === undefined) continue;
          if (!waiting.delete(entry.message.id)) return false;
          backlog.take(entry);
          taken.push(entry);
        }
        if (backlog.size !== waiting.size) return false;
      }
      const rest: number[] = [];
      for (let entry = head(); entry !== undefined; entry = head()) {
        rest.push(entry.message.id);
        backlog.take(entry);
      }
      return rest.length === waiting.size && new Set(rest).size === rest.length && rest.every((n) => waiting.has(n));
    },
  );
  check(t, property, 2_000);
});

function hadDelays(actions: readonly { readonly what: string }[]): boolean {
  return actions.some(({ what }) => what === 'delay');
}
