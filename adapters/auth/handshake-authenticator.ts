/** The embedding application's own way to tell who a client is, e.g. by the session cookie of its web framework. */
import type { ConnectRequest, Principal } from '../../broker/ports.js';
import type { Identifier } from './identifier.js';

/**
 * Null or undefined when the request shows nothing that the application knows. Throw a BrokerError to refuse with a text
 * for the client; anything else that is thrown reaches the client as `internal`, and the log in full.
 */
export type AuthenticateHook = (
  request: ConnectRequest,
) => Principal | null | undefined | Promise<Principal | null | undefined>;

export class HandshakeAuthenticator implements Identifier {
  readonly #hook: AuthenticateHook;

  constructor(hook: AuthenticateHook) {
    this.#hook = hook;
  }

  identify(request: ConnectRequest): Principal | null | Promise<Principal | null> {
    const answer = this.#hook(request);
    if (answer === null || answer === undefined) return null;
    // Not only native promises: hooks return whatever their database gives them.
    return 'then' in answer ? Promise.resolve(answer).then((principal) => principal ?? null) : answer;
  }
}
