/** Whether memory stays where it was: medians of the beginning and the end, and a line through all of it. */

/** Below this a difference is no leak that anybody would find in so short a time: caches, and code that is compiled late. */
export const FLOOR_BYTES = 1.5 * 2 ** 20;
/** What the end may be above the beginning. */
export const MOST_GROWTH = 0.05;

/** Of a short run half is warm-up. */
const WARM_UP_SAMPLES = 6;
/** A median of fewer is one of them. */
const LEAST_WIDTH = 3;

export interface Trend {
  /** Samples that were left out at the beginning. */
  readonly warmUp: number;
  /** Medians of the first and the last samples behind that. */
  readonly firstBytes: number;
  readonly lastBytes: number;
  /** 0.05 is five percent more. */
  readonly growth: number;
  /** Of the line through all samples behind the warm-up (Theil–Sen: the median of all slopes). */
  readonly bytesPerHour: number;
  readonly isFlat: boolean;
}

interface Sampled {
  readonly atMs: number;
  readonly heapBytes: number;
}

export function trendOf(samples: readonly Sampled[]): Trend {
  const warmUp = Math.max(Math.floor(samples.length / 4), Math.min(WARM_UP_SAMPLES, samples.length - 4));
  const rest = samples.slice(Math.max(0, warmUp));
  const width = Math.max(1, Math.floor(rest.length / 4), Math.min(LEAST_WIDTH, Math.floor(rest.length / 2)));
  const bytesOf = (some: readonly Sampled[]): number => median(some.map(({ heapBytes }) => heapBytes));
  const firstBytes = bytesOf(rest.slice(0, width));
  const lastBytes = bytesOf(rest.slice(-width));
  const isFlat = lastBytes - firstBytes <= Math.max(FLOOR_BYTES, MOST_GROWTH * firstBytes);
  return {
    warmUp,
    firstBytes,
    lastBytes,
    growth: lastBytes / firstBytes - 1,
    bytesPerHour: 3_600_000 * slopeOf(rest),
    isFlat,
  };
}

function slopeOf(samples: readonly Sampled[]): number {
  const slopes = samples.flatMap((a, k) =>
    samples.slice(k + 1).map((b) => (b.heapBytes - a.heapBytes) / (b.atMs - a.atMs)),
  );
  return slopes.length === 0 ? 0 : median(slopes);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}
