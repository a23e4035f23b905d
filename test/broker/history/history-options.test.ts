import t from 'tap';
import { resolveBrokerOptions, type BrokerOptions, type Partially } from '../../../broker/index.js';
import { DEFAULT_HISTORY_OPTIONS, HistoryRules } from '../../../broker/history/history-options.js';

function resolve(history: unknown): BrokerOptions {
  return resolveBrokerOptions({ history } as Partially<BrokerOptions>);
}

t.test('a rule is filled from the defaults', async (t) => {
  const { history } = resolve([{ pattern: '/topic/a' }, { pattern: '/topic/b/**', maxMessages: 5, durable: true }]);
  t.strictSame(history, [
    { pattern: '/topic/a', ...DEFAULT_HISTORY_OPTIONS },
    { pattern: '/topic/b/**', ...DEFAULT_HISTORY_OPTIONS, maxMessages: 5, durable: true },
  ]);
  t.match(DEFAULT_HISTORY_OPTIONS, { maxMessages: 1_000, maxBytes: 4_194_304, maxAgeMs: 3_600_000, durable: false });
});

t.test('the first rule whose pattern matches decides', async (t) => {
  const { history } = resolve([
    { pattern: '/topic/a/*', maxMessages: 1 },
    { pattern: '/topic/**', maxMessages: 2 },
    { pattern: '/topic/a/b', maxMessages: 3 },
  ]);
  const rules = new HistoryRules(history, '/');
  t.equal(rules.of('/topic/a/b')?.maxMessages, 1);
  t.equal(rules.of('/topic/b')?.maxMessages, 2);
  t.equal(rules.of('/queue/b'), null);
});

t.test('a wrong rule is named by its path, with what it got and what it wants', async (t) => {
  const wrong: readonly [unknown, RegExp][] = [
    [{}, /^invalid option history: got \{\}, wants a list of objects with a pattern$/],
    [['x'], /history\[0\]: got "x", wants an object with a pattern/],
    [[{ maxMessages: 1 }], /history\[0\]\.pattern: got undefined, wants a destination pattern/],
    [[{ pattern: '/topic/{a:(}' }], /history\[0\]\.pattern: .* wants a pattern as in SUBSCRIBE/],
    [[{ pattern: '/topic/a', maxMessages: 0 }], /history\[0\]\.maxMessages: got 0, wants a whole number, 1 or more/],
    [[{ pattern: '/topic/a', maxMessages: 1.5 }], /history\[0\]\.maxMessages: got 1\.5/],
    [[{ pattern: '/topic/a', maxBytes: 0 }], /history\[0\]\.maxBytes: got 0, wants 1 or more/],
    [[{ pattern: '/topic/a', maxAgeMs: -1 }], /history\[0\]\.maxAgeMs: got -1, wants a finite number/],
    [[{ pattern: '/topic/a', durable: 'yes' }], /history\[0\]\.durable: got "yes", wants a boolean/],
    [[{ pattern: '/topic/a', keyHeader: 1 }], /history\[0\]\.keyHeader: got 1, wants a string/],
    [[{ pattern: '/topic/a', size: 1 }], /^unknown option history\[0\]\.size: got "size", wants one of maxMessages, /],
  ];
  for (const [history, message] of wrong) {
    t.throws(() => resolve(history), { code: 'invalid-option', message }, JSON.stringify(history));
  }
});
