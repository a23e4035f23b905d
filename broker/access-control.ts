/**
 * What one session may do, asked of the Authorizer and remembered: an allowed destination of SEND is asked about once
 * (DESIGN P9). Only made when there is an authorizer.
 */
import { quoteInput } from '../protocol/index.js';
import { withDeadline } from './deadline.js';
import { BrokerError } from './errors.js';
import { after } from './maybe-promise.js';
import type { AuthorizationRequest, Authorizer, Clock } from './ports.js';
import type { Router } from './router.js';

/** Verdicts remembered for one session; a client that names more destinations is asked about anew. */
const MAX_ALLOWED_SENDS = 1_000;

export class AccessControl {
  readonly #authorizer: Authorizer;
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  /** Null until the first. */
  #allowedSends: Set<string> | null = null;
  /** Counts what was forgotten: an answer to a question from before is not remembered. */
  #era = 0;

  /** @param deadlineMs after which no verdict is a refusal */
  constructor(authorizer: Authorizer, router: Router, clock: Clock, deadlineMs: number) {
    this.#authorizer = authorizer;
    this.#router = router;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Whether a SEND there is known to be allowed. */
  isKnownAllowed(destination: string): boolean {
    return this.#allowedSends?.has(destination) === true;
  }

  /** What the rules allowed may be otherwise now. */
  forget(): void {
    this.#era++;
    this.#allowedSends = null;
  }

  /**
   * Asks about the destination as written and as what it leads to; without a promise when the authorizer needs none.
   * @throws BrokerError `access-denied`
   */
  check(request: AuthorizationRequest): void | Promise<void> {
    const { action, destination } = request;
    if (action === 'send' && this.isKnownAllowed(destination)) return;
    const isAsWritten = action === 'connect' || request.presenceAt !== undefined;
    const resolved = isAsWritten ? [destination] : this.#router.resolutions(action, destination);
    const questions = resolved.map((each, k): AuthorizationRequest => {
      return k === 0 ? request : { ...request, destination: each, resolvedFrom: destination };
    });
    const era = this.#era;
    return after(this.#askFrom(0, questions), () => {
      if (action === 'send' && era === this.#era) this.#rememberSend(destination);
    });
  }

  #askFrom(start: number, questions: readonly AuthorizationRequest[]): void | Promise<void> {
    for (const [k, question] of questions.slice(start).entries()) {
      const verdict = this.#authorizer.isAllowed(question);
      if (verdict instanceof Promise) {
        return this.#inTime(verdict).then((isAllowed) =>
          isAllowed ? this.#askFrom(start + k + 1, questions) : deny(question),
        );
      }
      if (!verdict) deny(question);
    }
  }

  #inTime(verdict: Promise<boolean>): Promise<boolean> {
    const ms = this.#deadlineMs;
    return withDeadline(verdict, this.#clock, ms, () => new BrokerError('access-denied', `No verdict within ${ms} ms`));
  }

  #rememberSend(destination: string): void {
    const allowed = (this.#allowedSends ??= new Set());
    if (allowed.size >= MAX_ALLOWED_SENDS) allowed.clear();
    allowed.add(destination);
  }
}

function deny({ action, destination, resolvedFrom, presenceAt }: AuthorizationRequest): never {
  const written = presenceAt ?? resolvedFrom ?? destination;
  const what = action === 'connect' ? 'connect' : `${action} to ${quoteInput(written, 120)}`;
  throw new BrokerError('access-denied', `Not allowed to ${what}`);
}
