/**
 * What is subscribed to one pattern. A list, as it is walked for each message that matches; who stands where is looked up
 * in a map once there are many, so that a hundred thousand can leave without each being searched for.
 */

/** Up to here a search costs less than a map. */
const MAX_SEARCHED = 16;

export class PatternGroup<T> {
  readonly #members: T[];
  #places: Map<T, number> | null = null;

  constructor(first: T) {
    this.#members = [first];
  }

  /** In no order; not to be kept, as it changes. */
  get members(): readonly T[] {
    return this.#members;
  }

  add(member: T): void {
    this.#places?.set(member, this.#members.length);
    this.#members.push(member);
    if (this.#places === null && this.#members.length > MAX_SEARCHED) {
      this.#places = new Map(this.#members.map((each, place) => [each, place]));
    }
  }

  /** @returns false when it was not in here */
  remove(member: T): boolean {
    const place = this.#places === null ? this.#members.indexOf(member) : (this.#places.get(member) ?? -1);
    if (place < 0) return false;
    this.#places?.delete(member);
    const last = this.#members.pop() as T;
    if (last !== member) {
      this.#members[place] = last;
      this.#places?.set(last, place);
    }
    return true;
  }
}
