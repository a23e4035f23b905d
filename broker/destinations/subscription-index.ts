/**
 * Which pattern subscriptions match a destination: a trie over segments, walked with a set of nodes, so that the cost is
 * segments × nodes reached and no pattern can make it explode. Exact destinations are the router's map, not here.
 */
import { hasWildcard, splitSegments } from './pattern.js';
import { PatternGroup } from './pattern-group.js';
import { SegmentPatterns } from './segment-patterns.js';

const NONE: readonly never[] = [];

class Node<T> {
  literals: Map<string, Node<T>> | null = null;
  /** `*`: any one segment. */
  any: Node<T> | null = null;
  /** `**`: this node stays reached whatever segment follows. */
  rest: Node<T> | null = null;
  tests: SegmentPatterns<Node<T>> | null = null;
  /** The pattern that ends here, apart by whether it ends with a separator (S5.3). */
  ends: PatternGroup<T> | null = null;
  endsWithSeparator: PatternGroup<T> | null = null;
  /** Walk in which this node was last reached. */
  stamp = 0;

  constructor(
    readonly isRest: boolean,
    /** A `**` stands before this node. */
    readonly afterRest: boolean,
  ) {}
}

export class SubscriptionIndex<T> {
  readonly #separator: string;
  /** Of patterns that begin with the separator, and of others; null until the first: each session has an index. */
  #absolute: Node<T> | null = null;
  #relative: Node<T> | null = null;
  #walk = 0;
  #size = 0;
  /** Changes whenever a result of `match` could: whoever caches results compares it. */
  version = 0;
  /** The same of `groups`: a subscription more to a pattern that has one already changes nothing there. */
  groupsVersion = 0;

  constructor(separator: string) {
    this.#separator = separator;
  }

  get size(): number {
    return this.#size;
  }

  /** @throws BrokerError `destination-invalid` for a segment that cannot be compiled */
  add(pattern: string, subscription: T): void {
    const node = this.#path(pattern, true) as Node<T>;
    const end = pattern.endsWith(this.#separator) ? 'endsWithSeparator' : 'ends';
    const group = node[end];
    if (group === null) {
      node[end] = new PatternGroup(subscription);
      this.groupsVersion++;
    } else group.add(subscription);
    this.#size++;
    this.version++;
  }

  remove(pattern: string, subscription: T): void {
    const node = this.#path(pattern, false);
    const end = pattern.endsWith(this.#separator) ? 'endsWithSeparator' : 'ends';
    const group = node?.[end];
    if (node === null || group?.remove(subscription) !== true) return;
    this.#size--;
    this.version++;
    if (group.members.length > 0) return;
    node[end] = null;
    this.groupsVersion++;
    this.#prune(pattern);
  }

  /** Every subscription whose pattern matches, each once. */
  match(destination: string): T[] {
    return this.groups(destination).flatMap(({ members }) => members);
  }

  /**
   * The same by pattern: what a topic remembers, as it is short however many are subscribed. A group is good for as long as
   * `groupsVersion` stays.
   */
  groups(destination: string): readonly PatternGroup<T>[] {
    if (this.#size === 0) return NONE;
    const found: PatternGroup<T>[] = [];
    const root = this.#root(destination);
    if (root === null) return NONE;
    const segments = splitSegments(destination, this.#separator);
    let reached: Node<T>[] = [];
    this.#reach(root, reached, ++this.#walk);
    for (const segment of segments) {
      const next: Node<T>[] = [];
      const walk = ++this.#walk;
      for (const node of reached) this.#step(node, segment, next, walk);
      reached = next;
      if (reached.length === 0) return found;
    }
    const endsWithSeparator = destination.endsWith(this.#separator);
    for (const node of reached) collect(node, endsWithSeparator, found);
    return found;
  }

  #step(node: Node<T>, segment: string, next: Node<T>[], walk: number): void {
    if (node.isRest) this.#reach(node, next, walk);
    const literal = node.literals?.get(segment);
    if (literal !== undefined) this.#reach(literal, next, walk);
    if (node.any !== null) this.#reach(node.any, next, walk);
    if (node.tests !== null) {
      for (const { test, node: child } of node.tests.candidates(segment)) {
        if (test(segment)) this.#reach(child, next, walk);
      }
    }
  }

  /** A node, and the `**` behind it, which also stands for no segment at all. */
  #reach(node: Node<T>, reached: Node<T>[], walk: number): void {
    if (node.stamp === walk) return;
    node.stamp = walk;
    reached.push(node);
    if (node.rest !== null) this.#reach(node.rest, reached, walk);
  }

  #root(text: string): Node<T> | null {
    return text.startsWith(this.#separator) ? this.#absolute : this.#relative;
  }

  #makeRoot(pattern: string): Node<T> {
    const root = new Node<T>(false, false);
    if (pattern.startsWith(this.#separator)) this.#absolute = root;
    else this.#relative = root;
    return root;
  }

  #path(pattern: string, create: boolean): Node<T> | null {
    const root = this.#root(pattern) ?? (create ? this.#makeRoot(pattern) : null);
    if (root === null) return null;
    let node = root;
    for (const segment of splitSegments(pattern, this.#separator)) {
      const child = findChild(node, segment) ?? (create ? addChild(node, segment) : null);
      if (child === null) return null;
      node = child;
    }
    return node;
  }

  #prune(pattern: string): void {
    const root = this.#root(pattern);
    if (root === null) return;
    const path: { readonly parent: Node<T>; readonly segment: string; readonly node: Node<T> }[] = [];
    let parent = root;
    for (const segment of splitSegments(pattern, this.#separator)) {
      const node = findChild(parent, segment);
      if (node === null) return;
      path.push({ parent, segment, node });
      parent = node;
    }
    for (const { parent: above, segment, node } of path.reverse()) {
      if (!isEmpty(node)) return;
      removeChild(above, segment);
    }
  }
}

function findChild<T>(node: Node<T>, segment: string): Node<T> | null {
  if (segment === '**') return node.rest;
  if (segment === '*') return node.any;
  if (!hasWildcard(segment)) return node.literals?.get(segment) ?? null;
  return node.tests?.get(segment) ?? null;
}

function addChild<T>(node: Node<T>, segment: string): Node<T> {
  const child = new Node<T>(segment === '**', node.afterRest || segment === '**');
  if (segment === '**') node.rest = child;
  else if (segment === '*') node.any = child;
  else if (!hasWildcard(segment)) (node.literals ??= new Map<string, Node<T>>()).set(segment, child);
  else (node.tests ??= new SegmentPatterns()).add(segment, child);
  return child;
}

function removeChild<T>(node: Node<T>, segment: string): void {
  if (segment === '**') node.rest = null;
  else if (segment === '*') node.any = null;
  else if (!hasWildcard(segment)) {
    node.literals?.delete(segment);
    if (node.literals?.size === 0) node.literals = null;
  } else {
    node.tests?.remove(segment);
    if (node.tests?.isEmpty === true) node.tests = null;
  }
}

function isEmpty<T>(node: Node<T>): boolean {
  const content = node.literals ?? node.any ?? node.rest ?? node.tests ?? node.ends ?? node.endsWithSeparator;
  return content === null;
}

/** The destination ends at this node. */
function collect<T>(node: Node<T>, endsWithSeparator: boolean, found: PatternGroup<T>[]): void {
  if (node.isRest) {
    append(node.ends, found);
    append(node.endsWithSeparator, found);
    return;
  }
  append(endsWithSeparator ? node.endsWithSeparator : node.ends, found);
  // `/topic/*` matches `/topic/`: the star stands for the empty segment behind the last separator.
  if (endsWithSeparator && node.any !== null && !node.any.afterRest) {
    append(node.any.ends, found);
    append(node.any.endsWithSeparator, found);
  }
}

function append<T>(group: PatternGroup<T> | null, found: PatternGroup<T>[]): void {
  if (group !== null) found.push(group);
}
