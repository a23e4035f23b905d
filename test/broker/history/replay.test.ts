import t from 'tap';
import { HistoryLog } from '../../../broker/history/history-log.js';
import { DEFAULT_HISTORY_OPTIONS, type HistoryOptions } from '../../../broker/history/history-options.js';
import { startBehind, startOf, type ReplayRequest } from '../../../broker/history/replay.js';
import { Message } from '../../../broker/message.js';

/** Offsets from 1 to `end`, published at 1,000 ms, 2,000 ms … */
function logOf(end: number, options: Partial<HistoryOptions> = {}): HistoryLog {
  const log = new HistoryLog('/topic/a', 'e', { ...DEFAULT_HISTORY_OPTIONS, maxAgeMs: 0, ...options });
  for (let offset = 1; offset <= end; offset++) {
    const key: [string, string] = ['key', `${offset % 3}`];
    log.append(offset, Message.fromHeaders(offset, [key], Buffer.from('x')), offset * 1_000);
  }
  log.trim(0);
  return log;
}

t.test('everything behind a position, or null when that cannot be promised', async (t) => {
  const log = logOf(10, { maxMessages: 4 });
  t.equal(log.trimmedTo, 6);
  t.strictSame(startBehind(log, { epoch: 'e', offset: 8 }), { picks: [], next: 9, isComplete: true });
  t.strictSame(startBehind(log, { epoch: 'e', offset: 6 })?.next, 7, 'the oldest that is kept comes next');
  t.strictSame(startBehind(log, { epoch: 'e', offset: 10 })?.next, 11, 'nothing was missed');
  t.equal(startBehind(log, { epoch: 'e', offset: 5 }), null, 'the sixth is gone');
  t.equal(startBehind(log, { epoch: 'e', offset: 11 }), null, 'nobody can have seen the eleventh');
  t.equal(startBehind(log, { epoch: 'f', offset: 8 }), null, 'another incarnation');
  t.strictSame(startBehind(logOf(0), { epoch: 'e', offset: 0 })?.next, 1, 'before the first message');
});

t.test('a replay starts where it was asked to, and says whether that is all', async (t) => {
  const whole = logOf(10);
  const cut = logOf(10, { maxMessages: 4 });
  const cases: readonly (readonly [ReplayRequest, whole: [number, boolean], cut: [number, boolean]])[] = [
    [{ kind: 'last', count: 3 }, [8, true], [8, true]],
    [{ kind: 'last', count: 4 }, [7, true], [7, true]],
    [{ kind: 'last', count: 5 }, [6, true], [7, false]],
    [{ kind: 'last', count: 50 }, [1, true], [7, false]],
    [{ kind: 'all' }, [1, true], [7, false]],
    [{ kind: 'next' }, [11, true], [11, true]],
    [{ kind: 'from', offset: 0 }, [1, true], [7, false]],
    [{ kind: 'from', offset: 6 }, [6, true], [7, false]],
    [{ kind: 'from', offset: 7 }, [7, true], [7, true]],
    [{ kind: 'from', offset: 99 }, [11, true], [11, true]],
    [{ kind: 'since', epochMs: 8_000 }, [8, true], [8, true]],
    [{ kind: 'since', epochMs: 6_001 }, [7, true], [7, true]],
    [{ kind: 'since', epochMs: 6_000 }, [6, true], [7, false]],
    [{ kind: 'since', epochMs: 60_000 }, [11, true], [11, true]],
  ];
  for (const [request, ...expected] of cases) {
    for (const [k, log] of [whole, cut].entries()) {
      const { next, isComplete, picks } = startOf(log, request);
      t.strictSame([[next, isComplete], picks], [expected[k], []], JSON.stringify(request));
    }
  }
});

t.test('the last value of a topic, or of each key', async (t) => {
  const request = { kind: 'last-value' } as const;
  t.strictSame(startOf(logOf(10), request), { picks: [10], next: 11, isComplete: true });
  t.strictSame(startOf(logOf(0), request), { picks: [], next: 1, isComplete: true });
  t.strictSame(startOf(logOf(10, { maxMessages: 4 }), request).isComplete, true, 'one is all there is');
  t.strictSame(startOf(logOf(10, { keyHeader: 'key' }), request).picks, [8, 9, 10]);
  t.strictSame(startOf(logOf(10, { keyHeader: 'key', maxMessages: 2 }), request), {
    picks: [9, 10],
    next: 11,
    isComplete: false,
  });
});
