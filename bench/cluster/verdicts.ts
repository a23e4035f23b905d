/** What the cluster is to reach beside others, and whether it has: a line for each point. */
import type { Figure, Point } from '../report/results.js';
import { advantage } from '../report/statistics.js';

export interface Goal {
  /** Contender that the first entry of each point is compared with. */
  readonly beside: string;
  /** It is reached when it is in all of them. */
  readonly figures: readonly Figure[];
  /** Times the other's. */
  readonly atLeast: number;
}

export function verdictsOf(points: readonly Point[], goals: readonly Goal[]): string[] {
  return points.flatMap((point) => goals.flatMap((goal) => verdictOf(point, goal)));
}

function verdictOf(point: Point, { beside, figures, atLeast }: Goal): string[] {
  const other = point.entries.find(({ contender }) => contender === beside);
  if (other === undefined) return [];
  const ratios = figures.map((figure) => ({ figure, ratio: advantage(point, other, figure) }));
  const isReached = ratios.every(({ ratio }) => ratio >= atLeast);
  const settings = Object.entries(point.settings).map(([name, value]) => `${name} ${value}`);
  const values = ratios.map(
    ({ figure: { label }, ratio }) => `${Number.isNaN(ratio) ? 'not measured' : ratio.toFixed(2)} × in ${label}`,
  );
  const verdict = isReached ? 'met' : 'MISSED';
  return [`RESULT ${settings.join(', ')}, beside ${beside}: ${values.join('; ')}; goal ${atLeast} ×: ${verdict}`];
}
