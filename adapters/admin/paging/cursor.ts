/** Cursors as clients see them: opaque text that holds the order and the rank of the last item. */
import { Problem } from '../problem.js';
import type { Rank } from './page-reader.js';

/** @param order what the rank is of, e.g. `-queuedBytes` */
export function encodeCursor(order: string, rank: Rank): string {
  return Buffer.from(JSON.stringify([order, ...rank])).toString('base64url');
}

/** @throws Problem `cursor-invalid` for text that is no cursor, or one of another order */
export function decodeCursor(order: string, shape: Rank, cursor: string): Rank {
  const parts = parse(cursor);
  if (parts === null) throw new Problem('cursor-invalid', 'The cursor is not one that this API has given');
  const [given, ...rank] = parts;
  if (given !== order) throw new Problem('cursor-invalid', `The cursor is of the order ${String(given)}, not ${order}`);
  const fits = rank.length === shape.length && rank.every((part, k) => typeof part === typeof shape[k]);
  if (!fits) throw new Problem('cursor-invalid', 'The cursor is not one that this API has given');
  return rank as Rank;
}

function parse(cursor: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
