/**
 * What one session may do, asked of the Authorizer and remembered: an allowed destination of SEND is asked about once
 * (DESIGN P9). Only made when there is an authorizer.
 */
import { quoteInput } from '../protocol/index.js';
import { BrokerError } from './errors.js';
import type { AuthorizationRequest, Authorizer } from './ports.js';
import type { Router } from './router.js';

type Action = AuthorizationRequest['action'];

/** Verdicts remembered for one session; a client that names more destinations is asked about anew. */
const MAX_ALLOWED_SENDS = 1_000;

export class AccessControl {
  readonly #authorizer: Authorizer;
  readonly #router: Router;
  readonly #allowedSends = new Set<string>();

  constructor(authorizer: Authorizer, router: Router) {
    this.#authorizer = authorizer;
    this.#router = router;
  }

  /** Whether a SEND there is known to be allowed. */
  isKnownAllowed(destination: string): boolean {
    return this.#allowedSends.has(destination);
  }

  /** What the rules allowed may be otherwise now. */
  forget(): void {
    this.#allowedSends.clear();
  }

  /**
   * Asks about the destination as written and as what it leads to; without a promise when the authorizer needs none.
   * @throws BrokerError `access-denied`
   */
  check(request: AuthorizationRequest): void | Promise<void> {
    const { action, destination } = request;
    if (action === 'send' && this.isKnownAllowed(destination)) return;
    const resolved = action === 'connect' ? [destination] : this.#router.resolutions(action, destination);
    return this.#askFrom(0, resolved, request);
  }

  #askFrom(start: number, resolved: readonly string[], request: AuthorizationRequest): void | Promise<void> {
    for (let k = start; k < resolved.length; k++) {
      const verdict = this.#authorizer.isAllowed({ ...request, destination: resolved[k] ?? '' });
      if (verdict instanceof Promise) {
        return verdict.then((isAllowed) =>
          isAllowed ? this.#askFrom(k + 1, resolved, request) : deny(request.action, request.destination),
        );
      }
      if (!verdict) deny(request.action, request.destination);
    }
    if (request.action !== 'send') return;
    if (this.#allowedSends.size >= MAX_ALLOWED_SENDS) this.#allowedSends.clear();
    this.#allowedSends.add(request.destination);
  }
}

function deny(action: Action, destination: string): never {
  const what = action === 'connect' ? 'connect' : `${action} to ${quoteInput(destination, 120)}`;
  throw new BrokerError('access-denied', `Not allowed to ${what}`);
}
