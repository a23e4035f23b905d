import t from 'tap';
import { toJson } from '../../../bench/report/json.js';
import { markdownTable, toMarkdown } from '../../../bench/report/markdown.js';
import { drawScenario } from '../../../bench/report/plots.js';
import type { Point, Report, ScenarioResult } from '../../../bench/report/results.js';

const pointAt = (subscribers: number): Point => ({
  settings: { transport: 'TCP', subscribers },
  entries: [
    { contender: 'hoofbeat', samples: [{ cost: 0.5 }, { cost: 0.7 }, { cost: 0.6 }] },
    { contender: 'R&D <peer>', samples: [{ cost: 5 }, { cost: 7 }, { cost: 6 }] },
    { contender: 'broken', samples: [], note: 'the server closed a connection' },
  ],
});

const scenario: ScenarioResult = {
  name: 'fan-out',
  title: 'What does one more cost?',
  durationMs: 1_234,
  method: ['One publisher.'],
  figures: [{ key: 'cost', label: 'CPU µs', digits: 2, better: 'less' }],
  ratioOf: 'cost',
  points: [pointAt(100), pointAt(1_000)],
  plots: [
    { kind: 'bars', title: 'Bars', figure: 'cost', where: { subscribers: 100 } },
    { kind: 'lines', title: 'Lines', figure: 'cost', where: { transport: 'TCP' }, along: 'subscribers' },
    { kind: 'percentiles', title: 'Shares', figures: [{ key: 'cost', share: 0.99 }], where: { subscribers: 100 } },
    { kind: 'bars', title: 'Of nothing', figure: 'cost', where: { subscribers: 5 } },
  ],
  skipped: [
    { contender: 'Spring', reason: 'no jar' },
    { contender: 'Spring', reason: 'no jar' },
  ],
};

const report: Report = {
  startedAt: '2026-01-02T03:04:05.000Z',
  durationMs: 61_000,
  mode: 'full',
  machine: { CPU: '2 × chip' },
  versions: { Node: '20.0.0' },
  settings: { rounds: 3 },
  scenarios: [scenario],
};

t.test('the table has medians, ratios to the first entry, and why an entry is empty', async (t) => {
  const text = toMarkdown(report, new Map([['fan-out', ['bars.svg']]]));
  t.match(text, '# Bench of 2026-01-02 (full)');
  t.match(text, '### transport TCP, subscribers 1,000');
  t.match(text, /\| fan-out: transport TCP, subscribers 100 +\| +CPU µs 0\.60 \| +R&D <peer> 10 × \|/);
  t.match(text, /\| hoofbeat +\| +1\.00 × \| +0\.60 \|/);
  t.match(text, /\| R&D <peer> +\| +10\.00 × \| +6\.00 \|/);
  t.match(text, /\| broken +\| +\| +\|/);
  t.match(text, 'broken: the server closed a connection');
  t.match(text, '![fan-out](bars.svg)');
  t.equal(text.split('skipped: Spring, no jar').length - 1, 1, 'who is skipped at each point is named once');
});

t.test('the cells of a table are as wide as the widest of their column', async (t) => {
  const [header, rule, ...rows] = markdownTable(
    ['', 'long heading'],
    [
      ['a name', '1'],
      ['b', '22'],
    ],
  );
  t.equal(header, '|        | long heading |');
  t.equal(rule, '| ------ | -----------: |');
  t.same(rows, ['| a name |            1 |', '| b      |           22 |']);
});

t.test('JSON keeps every round, with five digits, and null for what is no number', async (t) => {
  const samples = [{ cost: 1 / 3, none: NaN, many: 12_345_678 }];
  const odd: ScenarioResult = { ...scenario, points: [{ settings: {}, entries: [{ contender: 'x', samples }] }] };
  const parsed = JSON.parse(toJson({ ...report, scenarios: [odd] })) as Report;
  t.same(parsed.scenarios[0]?.points[0]?.entries[0]?.samples, [{ cost: 0.33333, none: null, many: 12_345_678 }]);
});

t.test('each plot that has something to show is drawn, its names escaped', async (t) => {
  const drawings = drawScenario(scenario, '2026-01-02');
  t.same(
    drawings.map(({ file }) => file),
    ['2026-01-02-fan-out-1.svg', '2026-01-02-fan-out-2.svg', '2026-01-02-fan-out-3.svg'],
  );
  for (const { svg } of drawings) {
    t.match(svg, /^<svg [^>]*viewBox/);
    t.match(svg, 'R&amp;D &lt;peer&gt;');
    t.notMatch(svg, /NaN|Infinity|undefined/);
    t.notMatch(svg, '>broken<', 'what has no figures is not drawn');
  }
  const [bars, lines] = drawings;
  t.match(bars?.svg, 'hoofbeat 10 ×');
  t.equal(lines?.svg.match(/<polyline /g)?.length, 2);
  t.equal(lines?.svg.match(/<circle /g)?.length, 4);
});
