/** Bar and line charts as SVG text: no library, no script, readable on light and dark pages. */

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Behind the value. */
  readonly note: string;
}

export interface Line {
  readonly name: string;
  /** `y` above 0: the vertical axis is logarithmic. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Axes {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly ticks: readonly { readonly x: number; readonly label: string }[];
  /** Default: linear. */
  readonly isLogX?: boolean;
}

const WIDTH = 820;
const TITLE_HEIGHT = 44;
const COLOURS = ['#d9480f', '#1971c2', '#2f9e44', '#9c36b5', '#868e96', '#e8a500', '#0c8599', '#c2255c', '#5c940d'];
const FONT = 'font-family="system-ui, sans-serif"';

const escape = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const round = (value: number): string => String(Math.round(value * 10) / 10);
const colourOf = (index: number): string => COLOURS[index % COLOURS.length] ?? '#000';

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

function frame(height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${FONT} font-size="13" fill="#212529">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(16, 26, title, 'font-size="15" font-weight="600"'),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** One horizontal bar each, in the given order, on a linear axis from 0. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const left = 180;
  const right = 200;
  const step = 30;
  const longest = Math.max(...bars.map(({ value }) => value));
  const parts = bars.flatMap(({ name, value, note }, index) => {
    const y = TITLE_HEIGHT + index * step;
    const width = Math.max(1, (value / longest) * (WIDTH - left - right));
    const label = `${formatNumber(value)}${note === '' ? '' : ` (${note})`}`;
    return [
      text(left - 8, y + 15, name, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${round(width)}" height="20" rx="2" fill="${fillOf(name)}"/>`,
      text(left + width + 6, y + 15, label, 'font-size="12"'),
    ];
  });
  return frame(TITLE_HEIGHT + bars.length * step + 12, title, parts);
}

/** hoofbeat stands out, limits stay back. */
function fillOf(name: string): string {
  if (name.startsWith('hoofbeat')) return colourOf(0);
  return name.startsWith('limit') ? '#ced4da' : colourOf(1);
}

/** Lines with a dot at each point, and a legend on the right. */
export function lineChart(lines: readonly Line[], { title, xLabel, yLabel, ticks, isLogX = false }: Axes): string {
  const [left, right, height, bottom, top] = [70, 210, 420, 56, TITLE_HEIGHT + 20];
  const ys = lines.flatMap(({ points }) => points.map(({ y }) => y));
  const lowest = 10 ** Math.floor(Math.log10(Math.min(...ys)));
  const highest = 10 ** Math.max(Math.ceil(Math.log10(Math.max(...ys))), Math.log10(lowest) + 1);
  const scale = (value: number): number => (isLogX ? Math.log10(value) : value);
  const places = ticks.map(({ x }) => scale(x));
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const xOf = (x: number): number =>
    last === first ? (left + WIDTH - right) / 2 : left + ((scale(x) - first) / (last - first)) * (WIDTH - left - right);
  const yOf = (y: number): number =>
    height - bottom - (Math.log10(y / lowest) / Math.log10(highest / lowest)) * (height - bottom - top);
  const parts: string[] = [];
  for (let y = lowest; y <= highest * 1.001; y *= 10) {
    const at = round(yOf(y));
    parts.push(`<line x1="${left}" x2="${WIDTH - right}" y1="${at}" y2="${at}" stroke="#dee2e6"/>`);
    parts.push(text(left - 8, yOf(y) + 4, formatNumber(y), 'text-anchor="end" font-size="12"'));
  }
  for (const { x, label } of ticks) {
    parts.push(text(xOf(x), height - bottom + 18, label, 'text-anchor="middle" font-size="12"'));
  }
  parts.push(text((left + WIDTH - right) / 2, height - 14, xLabel, 'text-anchor="middle"'));
  parts.push(text(left - 8, top - 12, yLabel, 'font-size="12"'));
  for (const [index, { name, points }] of lines.entries()) {
    const colour = colourOf(index);
    const path = points.map(({ x, y }) => `${round(xOf(x))},${round(yOf(y))}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const { x, y } of points) {
      parts.push(`<circle cx="${round(xOf(x))}" cy="${round(yOf(y))}" r="3" fill="${colour}"/>`);
    }
    const at = top + 14 + index * 20;
    parts.push(`<rect x="${WIDTH - right + 14}" y="${at - 9}" width="12" height="4" fill="${colour}"/>`);
    parts.push(text(WIDTH - right + 32, at, name, 'font-size="12"'));
  }
  return frame(height, title, parts);
}

function formatNumber(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 1 ? 4 : value < 100 ? 2 : 0 });
}
