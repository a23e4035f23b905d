/** Numbers and times for people. */

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const SMALL = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function formatCount(value: number): string {
  return NUMBER.format(value);
}

/** With one digit behind the point where that says something. */
export function formatRate(value: number): string {
  return value < 100 ? SMALL.format(value) : NUMBER.format(value);
}

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 ? NUMBER.format(value) : SMALL.format(value)} ${UNITS[unit] ?? ''}`;
}

/** The two largest units, e.g. `3 h 12 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${String(Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1_000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${String(value)} ${unit}`)
    .join(' ');
}

/** Time of day where it is today's, else with the date; in the zone of whoever reads. */
export function formatTime(time: string | number): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString('en-GB');
  return isToday ? clock : `${date.toLocaleDateString('en-CA')} ${clock}`;
}

/** e.g. `every 10 s`; 0 is never. */
export function formatBeat(ms: number): string {
  return ms === 0 ? 'never' : `every ${formatDuration(ms)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
