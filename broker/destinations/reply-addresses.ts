/**
 * Where replies are sent: `/reply-queue/` and a token that nobody can guess, so that only who was told one in a `reply-to`
 * header finds its way (conformance X-22). Kept apart from the router's own map: these are not made by naming them.
 */
import { REPLY_QUEUE_PREFIX } from './reserved-prefixes.js';
import type { Route } from './route.js';

/** In front of the application's tokens; stands in no other, means nothing in patterns, and separates no segments. */
const APPLICATION = 'app~';
/** Of nodes' own talk; no destination of a client. */
const CHANNEL = '/$replies/';
/** Characters of the name of a node. */
export const NODE_NAME_LENGTH = 8;

export class ReplyAddresses {
  readonly #routes = new Map<string, Route>();
  readonly #createId: () => string;
  readonly #node: string;
  readonly #idLength: number;

  /**
   * @param createId unguessable, of letters, digits, `-` and `_`; still so when the name of a node takes the place of some
   * @param node names this node in its addresses, among others: NODE_NAME_LENGTH such characters; null: there are none
   */
  constructor(createId: () => string, node: string | null = null) {
    this.#createId = createId;
    this.#node = node ?? '';
    this.#idLength = createId().length;
  }

  /** Where other nodes publish what is for an address of this one. */
  get channel(): string {
    return CHANNEL + this.#node;
  }

  /** Of an address of another node, where that one is told; null: it is none, or nobody's. */
  channelOf(address: string): string | null {
    const start = REPLY_QUEUE_PREFIX.length + (this.isOfApplication(address) ? APPLICATION.length : 0);
    const node = address.slice(start, start + NODE_NAME_LENGTH);
    if (this.#node === '' || address.length !== start + this.#idLength || node === this.#node) return null;
    return CHANNEL + node;
  }

  get size(): number {
    return this.#routes.size;
  }

  /** A new address; `find` knows it from `set` on. */
  create(owner: 'session' | 'application'): string {
    return `${REPLY_QUEUE_PREFIX}${owner === 'application' ? APPLICATION : ''}${this.#node}${this.#createId().slice(this.#node.length)}`;
  }

  set(address: string, route: Route): void {
    this.#routes.set(address, route);
  }

  delete(address: string): void {
    this.#routes.delete(address);
  }

  find(address: string): Route | undefined {
    return this.#routes.get(address);
  }

  /** Whether a reply there, should nobody wait for it any more, is late and not wrong: requests have deadlines. */
  isOfApplication(address: string): boolean {
    return address.startsWith(APPLICATION, REPLY_QUEUE_PREFIX.length);
  }
}
