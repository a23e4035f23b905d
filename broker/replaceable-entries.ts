/**
 * Which of an outbox's waiting entries may give way to newer ones, by their place in it (broker/overflow-policy.ts). Places
 * are counted from the first entry the outbox ever held, so that they stay right while it moves its list.
 */
export class ReplaceableEntries {
  /** Oldest first; under `drop-oldest`. */
  #places: number[] = [];
  #first = 0;
  readonly #byKey = new Map<string, number>();

  add(place: number): void {
    this.#places.push(place);
  }

  /** The oldest place at or behind `from`, taken out; undefined when there is none. */
  takeOldest(from: number): number | undefined {
    while (this.#first < this.#places.length) {
      const place = this.#places[this.#first++] as number;
      if (place >= from) return place;
    }
    this.#places = [];
    this.#first = 0;
    return undefined;
  }

  /** Where a message of this key waits at or behind `from`; `place` is where it would wait otherwise, and is noted then. */
  placeOf(key: string, from: number, place: number): number | undefined {
    const known = this.#byKey.get(key);
    if (known !== undefined && known >= from) return known;
    this.#byKey.set(key, place);
    return undefined;
  }

  clear(): void {
    this.#places = [];
    this.#first = 0;
    this.#byKey.clear();
  }
}
