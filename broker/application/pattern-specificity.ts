/** Which of two patterns that match one path says more about it: AntPathMatcher's order (Spring S6.3). */

interface Weight {
  /** `/**` alone: matches everything. */
  readonly isCatchAll: boolean;
  /** Ends with `/**`. */
  readonly isOpen: boolean;
  readonly variables: number;
  readonly stars: number;
  readonly doubleStars: number;
  /** Of the pattern with each variable as one character. */
  readonly length: number;
}

/** Below 0 when `a` is the more specific; 0 when neither is. */
export function compareSpecificity(a: string, b: string, separator: string): number {
  const [first, second] = [weigh(a, separator), weigh(b, separator)];
  if (first.isCatchAll || second.isCatchAll) return Number(first.isCatchAll) - Number(second.isCatchAll);
  if (first.isOpen && second.isOpen) return second.length - first.length;
  if (first.isOpen && second.doubleStars === 0) return 1;
  if (second.isOpen && first.doubleStars === 0) return -1;
  return (
    wildness(first) - wildness(second) ||
    second.length - first.length ||
    first.stars - second.stars ||
    first.variables - second.variables
  );
}

function wildness({ variables, stars, doubleStars }: Weight): number {
  return variables + stars + 2 * doubleStars;
}

function weigh(pattern: string, separator: string): Weight {
  const plain = pattern.replace(/\{(?:[^{}]|\{[^{}]*\})*\}/g, '#');
  const runs = plain.match(/\*+/g) ?? [];
  return {
    isCatchAll: plain === '**' || plain === `${separator}**`,
    isOpen: plain.endsWith(`${separator}**`),
    variables: plain.split('#').length - 1,
    stars: runs.filter((run) => run.length === 1).length,
    doubleStars: runs.filter((run) => run.length > 1).length,
    length: plain.length,
  };
}
