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

t.test('any run of puts, takes and returns keeps the order of a sorted list', async (t) => {
  const step = fc.record({
    kind: fc.constantFrom('put', 'put', 'head', 'least', 'middle', 'back'),
    priority: fc.integer({ min: 0, max: 9 }),
    at: fc.nat(),
  });
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const backlog = new QueueBacklog();
    let model: QueuedMessage[] = [];
    let away: QueuedMessage[] = [];
    let lastId = 0;
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
        const entry = queued(++lastId, priority);
        backlog.put(entry);
        model.push(entry);
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
