import t from 'tap';
import {
  formatBeat,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  plural,
} from '../../../../adapters/admin/console/page/format.js';
import { parseHeaders } from '../../../../adapters/admin/console/page/parts/header-lines.js';

t.test('numbers are for people', async (t) => {
  t.strictSame([0, 999, 1_000, 123_456, 1.5e9, 2e15].map(formatBytes), [
    '0 B',
    '999 B',
    '1 KB',
    '123.5 KB',
    '1.5 GB',
    '2,000 TB',
  ]);
  t.strictSame([0, 0.25, 99.96, 100.4, 12_345.6].map(formatRate), ['0', '0.3', '100', '100', '12,346']);
  t.strictSame([1, 20_000].map(formatCount), ['1', '20,000']);
  t.strictSame(
    [plural(1, 'message'), plural(2, 'message'), plural(0, 'entry', 'entries')],
    ['1 message', '2 messages', '0 entries'],
  );
});

t.test('durations have their two largest units', async (t) => {
  t.strictSame([0, 999, 1_000, 61_000, 3_600_000, 3_660_000, 90_061_000, 7_200_500].map(formatDuration), [
    '0 ms',
    '999 ms',
    '1 s',
    '1 min 1 s',
    '1 h',
    '1 h 1 min',
    '1 d 1 h',
    '2 h',
  ]);
  t.strictSame([formatBeat(0), formatBeat(10_000)], ['never', 'every 10 s']);
});

t.test('headers are read as they are typed', async (t) => {
  t.strictSame(parseHeaders('a: b\n  c :d:e \nno colon\n:no name\nempty:\n'), { a: 'b', c: 'd:e', empty: '' });
});
