/**
 * An ordered list of header lines in which the first of a repeated name counts (STOMP 1.2, Repeated Header Entries).
 * A list, not an object: order is relayed, and `__proto__` is a name like any other.
 */
export class Headers implements Iterable<readonly [name: string, value: string]> {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  constructor(entries: Iterable<readonly [string, string]> = []) {
    for (const [name, value] of entries) this.append(name, value);
  }

  get size(): number {
    return this.#names.length;
  }

  append(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.#values[index];
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    for (const [index, name] of this.#names.entries()) yield [name, this.#values[index] ?? ''];
  }

  /** The first of each name. */
  toMap(): Map<string, string> {
    const map = new Map<string, string>();
    for (const [name, value] of this) if (!map.has(name)) map.set(name, value);
    return map;
  }
}
