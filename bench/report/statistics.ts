/** Medians, ratios within rounds, and percentiles. */
import type { Entry, Figure, Point } from './results.js';

/** The middle of an odd number of rounds is a real round, untouched by a noisy neighbour's outlier. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Median of the ratios within each round: what both variants suffered alike falls out. */
export function medianRatio(numerators: readonly number[], denominators: readonly number[]): number {
  return median(numerators.map((value, round) => value / (denominators[round] ?? NaN)));
}

/**
 * The smallest value that at least `share` of all do not exceed (nearest rank).
 * @param sorted ascending
 * @param share 0 to 1
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

export function valuesOf({ samples }: Entry, key: string): number[] {
  return samples.map((sample) => sample[key] ?? NaN);
}

/**
 * How many times better the first entry of a point is: its advantage in that figure, round by round. 1 is equal, below 1
 * the other is better. NaN where either has no samples.
 */
export function advantage({ entries }: Point, other: Entry, { key, better }: Figure): number {
  const [first] = entries;
  if (first === undefined) return NaN;
  const [own, others] = [valuesOf(first, key), valuesOf(other, key)];
  const rounds = Math.min(own.length, others.length);
  return better === 'more'
    ? medianRatio(own.slice(0, rounds), others.slice(0, rounds))
    : medianRatio(others.slice(0, rounds), own.slice(0, rounds));
}
