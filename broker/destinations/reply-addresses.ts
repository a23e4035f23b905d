/**
 * Where replies are sent: `/reply-queue/` and a token that nobody can guess, so that only who was told one in a `reply-to`
 * header finds its way (conformance X-22). Kept apart from the router's own map: these are not made by naming them.
 */
import { REPLY_QUEUE_PREFIX } from './reserved-prefixes.js';
import type { Route } from './route.js';

/** In front of the application's tokens; stands in no other, means nothing in patterns, and separates no segments. */
const APPLICATION = 'app~';

export class ReplyAddresses {
  readonly #routes = new Map<string, Route>();
  readonly #createId: () => string;

  /** @param createId unguessable, of letters, digits, `-` and `_` */
  constructor(createId: () => string) {
    this.#createId = createId;
  }

  get size(): number {
    return this.#routes.size;
  }

  /** A new address; `find` knows it from `set` on. */
  create(owner: 'session' | 'application'): string {
    return `${REPLY_QUEUE_PREFIX}${owner === 'application' ? APPLICATION : ''}${this.#createId()}`;
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
