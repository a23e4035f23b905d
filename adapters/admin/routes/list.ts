/** What all lists have in common: orders by name, cursors, views made for the items of the page alone. */
import { decodeCursor, encodeCursor } from '../paging/cursor.js';
import type { PageReader, Rank } from '../paging/page-reader.js';

/** One way to sort, by its name in the query; with `-` in front it goes the other way. */
export interface Order<T> {
  /** The last part must be unique. */
  readonly rankOf: (item: T) => Rank;
  /** `items` come in this order. */
  readonly isNatural?: boolean;
}

export interface ListSpec<T, V> {
  readonly items: () => Iterable<T>;
  readonly total: () => number;
  readonly orders: Readonly<Record<string, Order<T>>>;
  /** What the last part of a rank looks like, e.g. `[0]` for a number. */
  readonly shapeOf: (order: string) => Rank;
  readonly view: (item: T) => V;
}

export interface ListQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly sort: string;
}

/** @throws Problem `cursor-invalid`, `too-busy` */
export async function readList<T, V>(
  pages: PageReader,
  spec: ListSpec<T, V>,
  { limit, cursor, sort }: ListQuery,
  isWanted?: (item: T) => boolean,
): Promise<{ items: V[]; next: string | null; total: number }> {
  const descending = sort.startsWith('-');
  const name = descending ? sort.slice(1) : sort;
  const order = spec.orders[name];
  if (order === undefined) throw new Error(`no order ${name}`);
  const { rankOf, isNatural = false } = order;
  const after = cursor === undefined ? null : decodeCursor(sort, spec.shapeOf(name), cursor);
  const isOrdered = isNatural && !descending;
  const page = await pages.read({ items: spec.items, isWanted, rankOf, descending, isOrdered }, { limit, after });
  const next = page.next === null ? null : encodeCursor(sort, page.next);
  return { items: page.items.map((item) => spec.view(item)), next, total: spec.total() };
}

/** `['a', '-a', …]` for the query's schema. */
export function sortNames<const T extends readonly string[]>(names: T): (T[number] | `-${T[number]}`)[] {
  return names.flatMap((name: T[number]) => [name, `-${name}` as const]);
}
