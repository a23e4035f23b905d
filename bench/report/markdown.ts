/** The report as Markdown: one table for each scenario and set of settings. */
import type { Entry, Figure, Point, Report, ScenarioResult } from './results.js';
import { advantage, median, valuesOf } from './statistics.js';

/** @param plots file names of the plots of each scenario, by its name */
export function toMarkdown(report: Report, plots: ReadonlyMap<string, readonly string[]> = new Map()): string {
  const list = (record: Readonly<Record<string, string | number>>): string[] =>
    Object.entries(record).map(([name, value]) => `- ${name}: ${value}`);
  const lines = [
    `# Bench of ${report.startedAt.slice(0, 10)} (${report.mode})`,
    '',
    `Started ${report.startedAt}, took ${(report.durationMs / 1000).toFixed(0)} s. Medians of the rounds; ratios are medians of the ratios within each round, and say how many times better hoofbeat is: below 1 the other is.`,
    '',
    ...list(report.machine),
    ...list(report.versions),
    ...list(report.settings),
    '',
  ];
  lines.push('## At a glance', '', ...glance(report), '');
  for (const scenario of report.scenarios) lines.push(...scenarioLines(scenario, plots.get(scenario.name) ?? []));
  return `${lines.join('\n').trimEnd()}\n`;
}

/** One row for each point: hoofbeat's own figure, and how many times better it is than each other. */
function glance({ scenarios }: Report): string[] {
  const rows = scenarios.flatMap(({ name, points, figures, ratioOf }) => {
    const figure = figures.find(({ key }) => key === ratioOf);
    if (figure === undefined) return [];
    return points.map((point) => {
      const [own, ...others] = point.entries;
      const ratios = others.flatMap((entry) => {
        const value = advantage(point, entry, figure);
        return Number.isNaN(value) ? [] : [`${entry.contender} ${value.toFixed(value < 10 ? 2 : 0)} ×`];
      });
      const cost = own === undefined ? '' : figureCell(own, figure);
      return [`${name}: ${describePoint(point)}`, `${figure.label} ${cost}`, ratios.join(', ')];
    });
  });
  return markdownTable(['', 'hoofbeat', 'ratios'], rows);
}

function scenarioLines(scenario: ScenarioResult, plots: readonly string[]): string[] {
  const lines = [`## ${scenario.name}: ${scenario.title}`, ''];
  for (const line of scenario.method) lines.push(line, '');
  const { verdicts = [] } = scenario;
  if (verdicts.length > 0) lines.push(...verdicts.map((verdict) => `- ${verdict}`), '');
  lines.push(`Took ${(scenario.durationMs / 1000).toFixed(0)} s.`, '');
  for (const point of scenario.points) {
    lines.push(`### ${describePoint(point)}`, '', ...tableOf(scenario, point), '');
  }
  for (const { contender, reason } of distinct(scenario.skipped)) lines.push(`- skipped: ${contender}, ${reason}`);
  if (scenario.skipped.length > 0) lines.push('');
  for (const plot of plots) lines.push(`![${scenario.name}](${plot})`, '');
  return lines;
}

function describePoint({ settings }: Point): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? value.toLocaleString('en') : value}`)
    .join(', ');
}

/** Rows of a Markdown table, its cells padded as prettier does it. */
export function tableOf({ figures, ratioOf }: ScenarioResult, point: Point): string[] {
  const ratio = figures.find(({ key }) => key === ratioOf);
  const header = ['', ...(ratio === undefined ? [] : ['ratio']), ...figures.map(({ label }) => label)];
  const rows = point.entries.map((entry) => [
    entry.contender,
    ...(ratio === undefined ? [] : [ratioCell(point, entry, ratio)]),
    ...figures.map((figure) => figureCell(entry, figure)),
  ]);
  const notes = point.entries.flatMap(({ contender, note }) =>
    note === undefined ? [] : ['', `${contender}: ${note}`],
  );
  return [...markdownTable(header, rows), ...notes];
}

function ratioCell(point: Point, entry: Entry, figure: Figure): string {
  const value = advantage(point, entry, figure);
  return Number.isNaN(value) ? '' : `${value.toFixed(2)} ×`;
}

function figureCell(entry: Entry, { key, digits }: Figure): string {
  const value = median(valuesOf(entry, key));
  if (!Number.isFinite(value)) return '';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function distinct<T extends { contender: string; reason: string }>(skipped: readonly T[]): T[] {
  const seen = new Set<string>();
  return skipped.filter(({ contender, reason }) => {
    const key = `${contender}: ${reason}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
