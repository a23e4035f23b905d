import t from 'tap';
import { DEFAULT_HISTORY_OPTIONS, type HistoryOptions } from '../../../broker/history/history-options.js';
import { Histories } from '../../../broker/history/histories.js';
import type { HistoryLog } from '../../../broker/history/history-log.js';
import { Message } from '../../../broker/message.js';
import { BrokerStats } from '../../../broker/stats.js';
import type { MessageSource } from '../../../broker/subscription.js';
import { TimerWheel } from '../../../broker/timer-wheel.js';
import { TurnBudget } from '../../../broker/turn-budget.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const NOBODY: MessageSource = {
  settled: () => undefined,
  returned: () => undefined,
  refused: () => undefined,
  ready: () => undefined,
};
const OPTIONS: HistoryOptions = { ...DEFAULT_HISTORY_OPTIONS, maxMessages: 10_000 };

function setUp(maxBytes: number) {
  const clock = new FakeClock();
  const stats = new BrokerStats();
  let epochs = 0;
  const createEpoch = (): string => `epoch${++epochs}`;
  const wheel = new TimerWheel(clock);
  const logger = recordingLogger([], 'silent');
  const turns = new TurnBudget(clock, 10);
  const parts = { live: NOBODY, stats, wheel, clock, turns, logger, journal: null };
  const histories = new Histories({ maxBytes, separator: '/', createEpoch, ...parts });
  const append = (log: HistoryLog, octets = 1_000): void => {
    histories.append(log, Message.fromHeaders(1, [], Buffer.alloc(octets)));
  };
  return { clock, stats, histories, append };
}

t.test('all histories together are bounded: those published to the longest ago give way', async (t) => {
  const { histories, stats, append } = setUp(100_000);
  const logs = ['a', 'b', 'c'].map((name) => histories.open(`/topic/${name}`, OPTIONS));
  const [a, b, c] = logs as [HistoryLog, HistoryLog, HistoryLog];
  for (const log of logs) append(log, 25_000);
  append(a);
  append(c, 30_000);
  t.strictSame([a.isForgotten, b.isForgotten, c.isForgotten], [false, true, false], 'b was idle the longest');
  t.ok(histories.bytes <= 100_000);
  t.equal(histories.topicCount, 2);
  t.equal(histories.messageCount, 4);
  t.equal(stats.historiesGivenWay, 1);
  t.strictSame([b.size, b.trimmedTo], [0, 1], 'whoever still reads it finds that it is gone');
});

t.test('a topic whose history was forgotten begins anew, in another epoch', async (t) => {
  const { histories, append } = setUp(50_000);
  const first = histories.open('/topic/a', OPTIONS);
  append(first, 30_000);
  t.equal(histories.open('/topic/a', OPTIONS), first);
  append(histories.open('/topic/b', OPTIONS), 30_000);
  const second = histories.open('/topic/a', OPTIONS);
  t.not(second, first);
  t.not(second.epoch, first.epoch);
  t.strictSame([second.end, second.trimmedTo], [0, 0]);
});

t.test('topics that were never published to share an epoch and cost nothing', async (t) => {
  const { histories } = setUp(50_000);
  const logs = ['a', 'a', 'b'].map((name) => histories.open(`/topic/${name}`, OPTIONS));
  t.equal(new Set(logs.map(({ epoch }) => epoch)).size, 1);
  t.strictSame([histories.topicCount, histories.bytes], [0, 0]);
});

t.test('one topic alone gives up its own oldest messages', async (t) => {
  const { histories, stats, append } = setUp(20_000);
  const log = histories.open('/topic/a', OPTIONS);
  for (let k = 0; k < 100; k++) append(log);
  t.ok(histories.bytes <= 20_000);
  t.ok(log.size > 5 && log.size < 20, `${log.size} are left`);
  t.equal(log.end, 100);
  t.equal(log.trimmedTo, 100 - log.size);
  t.equal(histories.messageCount, log.size);
  t.equal(stats.historiesGivenWay, 0);
  append(log, 50_000);
  t.strictSame([log.size, log.end, log.trimmedTo], [0, 101, 101], 'one that is too large for all');
});

t.test('what is too old goes without anybody asking; time stands still for nobody afterwards', async (t) => {
  const { histories, clock, append } = setUp(1e6);
  const log = histories.open('/topic/a', { ...OPTIONS, maxAgeMs: 30_000 });
  for (let k = 0; k < 3; k++) {
    append(log);
    clock.advance(20_000);
  }
  t.equal(log.size, 1);
  t.equal(histories.messageCount, 1);
  clock.advance(20_000);
  t.strictSame([log.size, histories.messageCount, log.end], [0, 0, 3]);
  clock.advance(60_000);
  t.equal(clock.intervalCount, 0, 'nothing is swept where nothing is kept');
  append(log);
  clock.advance(60_000);
  t.strictSame([log.size, log.end], [0, 4]);
});

t.test('the sums are those of the logs', async (t) => {
  const { histories, clock, append } = setUp(60_000);
  const logs = new Map<string, HistoryLog>();
  for (let k = 0; k < 2_000; k++) {
    const name = `/topic/${(k * 7) % 13}`;
    const log = histories.open(name, { ...OPTIONS, maxMessages: 5, maxAgeMs: 60_000 });
    logs.set(name, log);
    append(log, (k * 37) % 3_000);
    if (k % 50 === 0) clock.advance(13_000);
    if (k % 31 === 0) histories.plan(log, { position: null, replay: { kind: 'all' } });
    const live = [...logs.values()].filter(({ isForgotten }) => !isForgotten);
    const bytes = live.reduce((sum, { costBytes }) => sum + costBytes, 0);
    const messages = live.reduce((sum, { size }) => sum + size, 0);
    if (bytes !== histories.bytes || messages !== histories.messageCount) return t.fail(`at ${k}`);
    if (bytes > 60_000) return t.fail(`${bytes} at ${k}`);
  }
  t.ok(histories.messageCount > 0);
});
