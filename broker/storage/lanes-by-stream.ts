/** What a store holds when it opens, by stream: looking each stream's lanes up among all of them would be quadratic. */
import type { StoredLane } from '../ports.js';

/** @returns the lanes of each stream, both in the order of `lanes` */
export function lanesByStream(lanes: readonly StoredLane[]): ReadonlyMap<string, readonly StoredLane[]> {
  const streams = new Map<string, StoredLane[]>();
  for (const lane of lanes) {
    const { stream } = lane;
    const own = streams.get(stream);
    if (own === undefined) streams.set(stream, [lane]);
    else own.push(lane);
  }
  return streams;
}
