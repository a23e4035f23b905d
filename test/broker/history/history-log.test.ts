import t from 'tap';
import { DEFAULT_HISTORY_OPTIONS, type HistoryOptions } from '../../../broker/history/history-options.js';
import { HistoryLog } from '../../../broker/history/history-log.js';
import { Message } from '../../../broker/message.js';

function logWith(options: Partial<HistoryOptions> = {}): HistoryLog {
  return new HistoryLog('/topic/a', 'e', { ...DEFAULT_HISTORY_OPTIONS, ...options });
}

function messageOf(body: string, headers: Readonly<Record<string, string>> = {}): Message {
  return Message.fromHeaders(1, Object.entries({ destination: '/topic/a', ...headers }), Buffer.from(body));
}

/** Appends under the offsets from `from` to `to`, each published in the ms of its offset. */
function fill(log: HistoryLog, from: number, to: number): void {
  for (let offset = from; offset <= to; offset++) log.append(offset, messageOf('x'), offset);
}

function offsets(log: HistoryLog): number[] {
  const found: number[] = [];
  for (let entry = log.next(0); entry !== undefined; entry = log.next(entry.offset + 1)) found.push(entry.offset);
  return found;
}

t.test('entries are found by offset, in order', async (t) => {
  const log = logWith();
  t.equal(log.next(1), undefined);
  fill(log, 1, 3);
  t.strictSame(offsets(log), [1, 2, 3]);
  t.equal(log.next(2)?.offset, 2);
  t.equal(log.next(4), undefined);
  t.equal(log.end, 3);
});

t.test('offsets that were left out are passed over', async (t) => {
  const log = logWith();
  for (const offset of [2, 3, 7, 20, 21, 30]) log.append(offset, messageOf('x'), 0);
  t.strictSame(offsets(log), [2, 3, 7, 20, 21, 30]);
  t.equal(log.next(4)?.offset, 7);
  t.equal(log.next(22)?.offset, 30);
  t.equal(log.next(31), undefined);
  t.equal(log.offsetOfLast(2), 21);
  t.equal(log.trimmedTo, 0, 'nothing was lost');
});

t.test('the oldest goes when there are too many, too many octets, or when it is too old', async (t) => {
  const many = logWith({ maxMessages: 3, maxAgeMs: 0 });
  fill(many, 1, 5);
  t.ok(many.trim(1e9));
  t.strictSame(offsets(many), [3, 4, 5]);
  t.equal(many.trimmedTo, 2);
  t.equal(many.trimmedEpochMs, 2);
  t.notOk(many.trim(1e9), 'nothing more');

  const heavy = logWith({ maxBytes: 3 * messageOf('x').weightBytes });
  fill(heavy, 1, 5);
  heavy.trim(5);
  t.strictSame(offsets(heavy), [3, 4, 5]);

  const old = logWith({ maxAgeMs: 100 });
  fill(old, 1, 5);
  t.notOk(old.trim(100));
  t.ok(old.trim(103));
  t.strictSame(offsets(old), [4, 5]);
  old.trim(1_000);
  t.strictSame([old.size, old.bytes, old.trimmedTo, old.end], [0, 0, 5, 5], 'the position stays');
});

t.test('what was let go is not found again, however the list is kept short', async (t) => {
  const log = logWith({ maxMessages: 100, maxAgeMs: 0 });
  for (let offset = 1; offset <= 2_000; offset++) {
    log.append(offset, messageOf('x'), 0);
    log.trim(0);
    if (log.next(1)?.offset !== Math.max(1, offset - 99)) t.fail(`at ${offset}`);
  }
  t.equal(offsets(log).length, 100);
  t.equal(log.size, 100);
  t.equal(log.bytes, 100 * messageOf('x').weightBytes);
});

t.test('one that gives way goes from its oldest; one that is cleared keeps its place', async (t) => {
  const log = logWith();
  fill(log, 1, 3);
  t.ok(log.giveWay());
  t.strictSame(offsets(log), [2, 3]);
  log.clear();
  t.strictSame(offsets(log), []);
  t.strictSame([log.trimmedTo, log.trimmedEpochMs, log.end, log.bytes], [3, 3, 3, 0]);
  t.notOk(log.giveWay());
});

t.test('the last value of each key, of what is kept', async (t) => {
  const log = logWith({ keyHeader: 'symbol', maxMessages: 4 });
  for (const [k, symbol] of ['a', 'b', 'a', 'c', ''].entries()) {
    log.append(k + 1, messageOf('x', symbol === '' ? {} : { symbol }), 0);
  }
  t.strictSame(log.lastValues(), [2, 3, 4, 5]);
  log.append(6, messageOf('x', { symbol: 'c' }), 0);
  log.trim(0);
  t.strictSame(log.lastValues(), [3, 5, 6], 'b is not kept any more');
  log.clear();
  t.strictSame(log.lastValues(), []);
});

t.test('without a key a topic has one last value', async (t) => {
  const log = logWith();
  t.strictSame(log.lastValues(), []);
  fill(log, 1, 3);
  t.strictSame(log.lastValues(), [3]);
});

t.test('the first that was published at a time or later', async (t) => {
  const log = logWith();
  t.equal(log.offsetSince(0), 1);
  fill(log, 1, 9);
  t.equal(log.offsetSince(0), 1);
  t.equal(log.offsetSince(4), 4);
  t.equal(log.offsetSince(10), 10);
});
