/**
 * A Map whose oldest entry is found in constant time. A Map keeps the place of what was deleted until its table is made
 * anew, and whoever begins at the start walks over all of them: 20 µs for each look with 50,000 entries (measured). Here
 * one iterator goes along with the front.
 */
export class OldestFirstMap<K, V> extends Map<K, V> {
  /** Everything before it is deleted, but for the key it returned last. */
  #front: IterableIterator<K> | null = null;
  #oldestKey: K | undefined;

  /** What was added longest ago; undefined when there is nothing. A key that is set again keeps its place. */
  get oldest(): readonly [key: K, value: V] | undefined {
    if (this.#oldestKey === undefined) this.#advance();
    const key = this.#oldestKey;
    return key === undefined ? undefined : [key, this.get(key) as V];
  }

  override delete(key: K): boolean {
    if (key === this.#oldestKey) this.#oldestKey = undefined;
    return super.delete(key);
  }

  override clear(): void {
    this.#front = null;
    this.#oldestKey = undefined;
    super.clear();
  }

  #advance(): void {
    this.#front ??= this.keys();
    const next = this.#front.next();
    // An iterator that has come to the end stays there, whatever is added.
    if (next.done === true) this.#front = null;
    else this.#oldestKey = next.value;
  }
}
