/** A line chart of the last minutes (uPlot), as wide as there is room, in the colours of the theme. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html, type Shown } from './html.js';
import { useValue } from './state.js';
import { isDark } from './theme.js';

export interface Line {
  readonly label: string;
  readonly values: readonly number[];
}

export interface ChartProps {
  readonly title: string;
  /** Seconds since the epoch. */
  readonly time: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  /** Changes with the data. */
  readonly tick: number;
}

const HEIGHT = 170;
const MAX_COLOURS = 6;
const AXIS_WIDTH = 62;
/** An axis that is never shorter, so that an idle server shows no noise. */
const LEAST_RANGE = 4;
const LEAST_SECONDS = 120;

export function Chart({ title, time, lines, format, tick }: ChartProps): Shown {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const dark = useValue(isDark);
  const labels = lines.map(({ label }) => label).join('\n');
  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const made = new uPlot(optionsOf(element, lines, format), alignedOf(time, lines), element);
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [dark, labels]);
  useEffect(() => {
    chart.current?.setData(alignedOf(time, lines));
  }, [tick]);
  const last = lines.map(({ label, values }) => `${label} ${format(values.at(-1) ?? 0)}`).join(', ');
  return html`<figure class="card chart">
    <figcaption>
      <h2>${title}</h2>
      <ul class="legend">
        ${lines.map(
          ({ label, values }, k) =>
            html`<li key=${label}>
              <span class=${`swatch colour-${String((k % MAX_COLOURS) + 1)}`} aria-hidden="true"></span>${label}${' '}
              <b>${format(values.at(-1) ?? 0)}</b>
            </li>`,
        )}
      </ul>
    </figcaption>
    <div class="plot" ref=${holder} role="img" aria-label=${`${title}, now: ${last}`}></div>
  </figure>`;
}

/** The newest is at the right, and a minute is never wider than half of it. */
function lastMinutes(time: ArrayLike<number>): [from: number, to: number] {
  const to = time[time.length - 1] ?? Date.now() / 1_000;
  return [Math.min(time[0] ?? to, to - LEAST_SECONDS), to];
}

/** In one line, whatever the distance. */
function clockOf(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString('en-GB');
}

function alignedOf(time: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...time], ...lines.map(({ values }) => [...values])];
}

function optionsOf(element: HTMLElement, lines: readonly Line[], format: ChartProps['format']): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => resolved(element, name, style.color);
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const font = `11px ${style.fontFamily}`;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (chart) => lastMinutes(chart.data[0]) },
      y: { range: (_chart, _least, most) => [0, Math.max(LEAST_RANGE, most * 1.1)] },
    },
    axes: [
      { ...axis, font, size: 26, space: 70, values: (_chart, values) => values.map(clockOf) },
      { ...axis, font, size: AXIS_WIDTH, values: (_chart, values) => values.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ label }, k) => ({
        label,
        stroke: colour(`--chart-${String((k % MAX_COLOURS) + 1)}`),
        width: 2,
        points: { show: false },
      })),
    ],
  };
}

/** A canvas knows no custom properties: the browser says what one comes to. */
function resolved(element: HTMLElement, name: string, otherwise: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color === '' ? otherwise : color;
}
