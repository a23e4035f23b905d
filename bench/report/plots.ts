/** From results to drawings: which points and figures go into each plot of a scenario. */
import type { Entry, Plot, Point, PointSettings, ScenarioResult } from './results.js';
import { advantage, median, valuesOf } from './statistics.js';
import { barChart, type Bar, lineChart, type Line } from './svg.js';

export interface Drawing {
  /** File name without folder. */
  readonly file: string;
  readonly svg: string;
}

/** Plots for which there is nothing to show are left out. */
export function drawScenario(scenario: ScenarioResult, prefix: string): Drawing[] {
  const drawings: Drawing[] = [];
  for (const [index, plot] of scenario.plots.entries()) {
    const svg = draw(scenario, plot);
    if (svg !== null) drawings.push({ file: `${prefix}-${scenario.name}-${index + 1}.svg`, svg });
  }
  return drawings;
}

function draw(scenario: ScenarioResult, plot: Plot): string | null {
  const points = scenario.points.filter(({ settings }) => isWithin(settings, plot.where));
  switch (plot.kind) {
    case 'bars':
      return drawBars(scenario, plot.title, plot.figure, points);
    case 'lines':
      return drawLines(scenario, plot.title, plot, points);
    case 'percentiles': {
      const [point] = points;
      const lines = (point?.entries ?? []).map((entry) => ({
        name: entry.contender,
        points: plot.figures.map(({ key }, x) => ({ x, y: medianOf(entry, key) })),
      }));
      const ticks = plot.figures.map(({ share }, x) => ({ x, label: share === 1 ? 'max' : `p${share * 100}` }));
      return chartOf(lines, { title: plot.title, xLabel: 'share of deliveries', yLabel: 'ms', ticks });
    }
  }
}

function drawBars(scenario: ScenarioResult, title: string, key: string, points: readonly Point[]): string | null {
  const [point] = points;
  const ratio = scenario.figures.find((figure) => figure.key === scenario.ratioOf);
  if (point === undefined) return null;
  const bars = point.entries.flatMap((entry): Bar[] => {
    const value = medianOf(entry, key);
    if (!Number.isFinite(value)) return [];
    const times = ratio === undefined ? NaN : advantage(point, entry, ratio);
    const note =
      Number.isNaN(times) || entry === point.entries[0] ? '' : `hoofbeat ${times.toFixed(times < 10 ? 2 : 0)} ×`;
    return [{ name: entry.contender, value, note }];
  });
  return bars.length === 0 ? null : barChart(title, bars);
}

function drawLines(
  { figures }: ScenarioResult,
  title: string,
  plot: { readonly figure: string; readonly along: string },
  points: readonly Point[],
): string | null {
  const names = [...new Set(points.flatMap(({ entries }) => entries.map(({ contender }) => contender)))];
  const lines = names.map((name) => ({
    name,
    points: points.flatMap(({ settings, entries }) => {
      const entry = entries.find(({ contender }) => contender === name);
      return entry === undefined ? [] : [{ x: Number(settings[plot.along]), y: medianOf(entry, plot.figure) }];
    }),
  }));
  const places = [...new Set(points.map(({ settings }) => Number(settings[plot.along])))];
  if (places.length < 2) return null;
  const ticks = places.map((x) => ({ x, label: x.toLocaleString('en') }));
  const yLabel = figures.find(({ key }) => key === plot.figure)?.label ?? plot.figure;
  return chartOf(lines, { title, xLabel: plot.along, yLabel, ticks, isLogX: true });
}

function chartOf(lines: readonly Line[], axes: Parameters<typeof lineChart>[1]): string | null {
  const drawn = lines
    .map(({ name, points }) => ({ name, points: points.filter(({ y }) => Number.isFinite(y) && y > 0) }))
    .filter(({ points }) => points.length > 0);
  return drawn.length === 0 ? null : lineChart(drawn, axes);
}

function medianOf(entry: Entry, key: string): number {
  return median(valuesOf(entry, key));
}

function isWithin(settings: PointSettings, where: PointSettings): boolean {
  return Object.entries(where).every(([name, value]) => settings[name] === value);
}
