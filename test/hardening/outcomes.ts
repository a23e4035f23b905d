/** What came of many tries, in one line. */
export function countOf(results: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const result of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  return [...counts]
    .map(([result, count]) => `${result} × ${count}`)
    .sort()
    .join(', ');
}
