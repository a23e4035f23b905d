/** Several ways to tell who a client is, asked in order: the first that knows wins, a refusal is final. */
import { BrokerError } from '../../broker/errors.js';
import type { Authenticator, ConnectRequest, Principal } from '../../broker/ports.js';
import type { Identifier } from './identifier.js';

export interface ChainAuthenticatorOptions {
  /** Whether a client that shows nothing is let in. */
  readonly anonymous: boolean;
  readonly identifiers: readonly Identifier[];
}

const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });

export class ChainAuthenticator implements Authenticator {
  readonly #anonymous: boolean;
  readonly #identifiers: readonly Identifier[];
  readonly #checksPasscodes: boolean;

  constructor({ anonymous, identifiers }: ChainAuthenticatorOptions) {
    this.#anonymous = anonymous;
    this.#identifiers = [...identifiers];
    this.#checksPasscodes = identifiers.some((identifier) => identifier.checksPasscodes === true);
  }

  /** @throws BrokerError `authentication-failed` when nobody knows the client, and whatever an identifier refuses with */
  authenticate(request: ConnectRequest): Principal | Promise<Principal> {
    return this.#askFrom(0, request);
  }

  #askFrom(start: number, request: ConnectRequest): Principal | Promise<Principal> {
    for (const [k, identifier] of this.#identifiers.slice(start).entries()) {
      const answer = identifier.identify(request);
      if (answer instanceof Promise)
        return answer.then((principal) => principal ?? this.#askFrom(start + k + 1, request));
      if (answer !== null) return answer;
    }
    return this.#unknown(request);
  }

  /** A mistyped passcode should be noticed, not turned into fewer rights; one that nobody can check never becomes a name. */
  #unknown({ login = '', passcode = '' }: ConnectRequest): Principal {
    const showsPasscode = this.#checksPasscodes && (login !== '' || passcode !== '');
    if (this.#anonymous && !showsPasscode) return ANONYMOUS;
    const text = showsPasscode ? 'Bad login or passcode' : 'No login, passcode or token was shown';
    throw new BrokerError('authentication-failed', text);
  }
}
