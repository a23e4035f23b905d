/** The next page of many things, in the order of a key, found without sorting all of them. */

export interface PageRequest {
  /** Most that are wanted. */
  readonly limit: number;
  /** The last key of the page before; empty: from the first one on. */
  readonly after: string;
}

/** @param keyOf names a thing; in the order of UTF-16 units, as `<` has it */
export function firstBehind<T>(things: Iterable<T>, keyOf: (thing: T) => string, { limit, after }: PageRequest): T[] {
  const page: { readonly key: string; readonly thing: T }[] = [];
  for (const thing of things) {
    const key = keyOf(thing);
    const last = page.at(-1);
    if (key <= after || (page.length >= limit && last !== undefined && key >= last.key)) continue;
    let [low, high] = [0, page.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((page[middle]?.key ?? '') < key) low = middle + 1;
      else high = middle;
    }
    page.splice(low, 0, { key, thing });
    if (page.length > limit) page.pop();
  }
  return page.map(({ thing }) => thing);
}
