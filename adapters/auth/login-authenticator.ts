/** CONNECT with `login` and `passcode` against a list, and CONNECT without them where anonymous clients are let in. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BrokerError } from '../../broker/errors.js';
import type { Authenticator, ConnectRequest, Principal } from '../../broker/ports.js';
import type { Identifier } from './identifier.js';

export interface LoginAuthenticatorOptions {
  /** Whether a client that shows no login is let in. */
  readonly anonymous: boolean;
  readonly users: readonly LoginUser[];
}

export interface LoginUser {
  readonly login: string;
  readonly passcode: string;
  readonly roles: readonly string[];
}

interface Account {
  readonly principal: Principal;
  readonly passcodeDigest: Buffer;
}

/** One text, whatever was wrong. */
const REFUSAL = 'Bad login or passcode';
const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });

/**
 * With users configured a login that is shown must be right, anonymous access or not: a mistyped passcode should be
 * noticed, not turned into fewer rights. Without users a login cannot be checked, so it never becomes a name.
 */
export class LoginAuthenticator implements Authenticator, Identifier {
  readonly checksPasscodes = true;
  readonly #anonymous: boolean;
  readonly #accounts: ReadonlyMap<string, Account>;
  /** Compared with when the login is unknown, so that knowing and not knowing it take the same time. */
  readonly #nobody: Buffer = digest('');

  constructor(options: LoginAuthenticatorOptions) {
    this.#anonymous = options.anonymous;
    this.#accounts = new Map(
      options.users.map(({ login, passcode, roles }) => [
        login,
        {
          principal: Object.freeze({ name: login, roles: Object.freeze([...roles]) }),
          passcodeDigest: digest(passcode),
        },
      ]),
    );
  }

  /** @throws BrokerError `authentication-failed`, with the same text whatever was wrong */
  authenticate(request: ConnectRequest): Principal {
    const login = request.login ?? '';
    const passcode = request.passcode ?? '';
    const shown = login !== '' || passcode !== '';
    if (this.#anonymous && (!shown || this.#accounts.size === 0)) return ANONYMOUS;
    const principal = this.identify(request);
    if (principal === null) throw new BrokerError('authentication-failed', REFUSAL);
    return principal;
  }

  /**
   * Null for a login that is not in the list.
   * @throws BrokerError `authentication-failed` for one that is, with another passcode
   */
  identify({ login = '', passcode = '' }: ConnectRequest): Principal | null {
    const account = this.#accounts.get(login);
    // Digests are of one length, which timingSafeEqual needs and which hides the length of the passcode.
    const right = timingSafeEqual(digest(passcode), account?.passcodeDigest ?? this.#nobody);
    if (account === undefined) return null;
    if (!right) throw new BrokerError('authentication-failed', REFUSAL);
    return account.principal;
  }
}

function digest(passcode: string): Buffer {
  return createHash('sha256').update(passcode, 'utf8').digest();
}
