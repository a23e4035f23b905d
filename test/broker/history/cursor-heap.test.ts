import fc from 'fast-check';
import t from 'tap';
import { CursorHeap } from '../../../broker/history/cursor-heap.js';
import { HistoryCursor } from '../../../broker/history/history-cursor.js';
import { HistoryLog } from '../../../broker/history/history-log.js';
import { DEFAULT_HISTORY_OPTIONS } from '../../../broker/history/history-options.js';
import { check } from '../../helpers/properties.js';

function cursorAt(order: number): HistoryCursor {
  const cursor = new HistoryCursor(new HistoryLog('/topic/a', 'e', DEFAULT_HISTORY_OPTIONS), { picks: [], next: 1 });
  cursor.order = order;
  return cursor;
}

t.test('the first is always the one with the oldest message', async (t) => {
  const step = fc.record({ kind: fc.constantFrom('push', 'push', 'pop', 'sink'), id: fc.nat(1_000) });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const heap = new CursorHeap();
    const model: HistoryCursor[] = [];
    for (const { kind, id } of steps) {
      const { first } = heap;
      if (kind === 'push') {
        const cursor = cursorAt(id);
        heap.push(cursor);
        model.push(cursor);
      } else if (kind === 'pop') {
        heap.pop();
        if (first !== undefined) model.splice(model.indexOf(first), 1);
      } else if (first !== undefined) {
        first.order += id;
        heap.sink();
      }
      const oldest = Math.min(...model.map(({ order }) => order));
      if ((heap.first?.order ?? Infinity) !== oldest) throw new Error(`not the oldest after ${kind}`);
    }
  });
  check(t, property, 300);
});
