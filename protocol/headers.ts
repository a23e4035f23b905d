/**
 * An ordered list of header lines in which the first of a repeated name counts (STOMP 1.2, Repeated Header Entries).
 * A list, not an object: order is relayed, and `__proto__` is a name like any other.
 */
export class Headers implements Iterable<readonly [name: string, value: string]> {
  readonly #names: string[] = [];
  /** As they are handed out: walking them makes nothing new, and every message is walked several times. */
  readonly #entries: (readonly [name: string, value: string])[] = [];

  constructor(entries: Iterable<readonly [string, string]> = []) {
    for (const [name, value] of entries) this.append(name, value);
  }

  get size(): number {
    return this.#entries.length;
  }

  append(name: string, value: string): void {
    this.#names.push(name);
    this.#entries.push([name, value]);
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.#entries[index]?.[1];
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  [Symbol.iterator](): IterableIterator<readonly [name: string, value: string]> {
    return this.#entries[Symbol.iterator]();
  }

  /** The first of each name. */
  toMap(): Map<string, string> {
    const map = new Map<string, string>();
    for (const [name, value] of this.#entries) if (!map.has(name)) map.set(name, value);
    return map;
  }
}
