/** The part of the composition root that is about who is let in and what they may do. */
import { BrokerError } from '../broker/errors.js';
import type { Authenticator, Authorizer, Clock, Logger } from '../broker/ports.js';
import {
  type AuthenticateHook,
  ChainAuthenticator,
  CsrfAuthenticator,
  FileKeys,
  GuessLimiter,
  HandshakeAuthenticator,
  HeaderAuthenticator,
  type Identifier,
  JwtAuthenticator,
  LoginAuthenticator,
  PasswordFileAuthenticator,
  RemoteKeys,
  RuleAuthorizer,
  SecretKeys,
  type TokenKeys,
  tokenFromCookie,
} from './auth/index.js';
import { OptionsError, type ResolvedJwtOptions, type ResolvedServerOptions } from './config/index.js';

/** What an application may bring of its own. */
export interface AccessPorts {
  /** Instead of everything that `auth` says about credentials. */
  readonly authenticator?: Authenticator | undefined;
  /** Asked before all that `auth` configures: e.g. a session cookie of the application's own. Null passes the question on. */
  readonly authenticate?: AuthenticateHook | undefined;
  /** Instead of `auth.rules`. */
  readonly authorizer?: Authorizer | undefined;
}

export interface Access {
  readonly authenticator: Authenticator;
  /** Null when everything is allowed. */
  readonly authorizer: Authorizer | null;
  /**
   * Reads files of passcodes and keys, and fetches keys, for the first time: a URL out of reach is only logged.
   * Rejects with OptionsError for a file that cannot be used.
   */
  readonly load: () => Promise<void>;
}

/** Octets below which a shared secret is weaker than the digest it keys (RFC 7518, 3.2). */
const MIN_SECRET_BYTES = 32;

/** @throws OptionsError for a rule with a pattern that is none */
export function composeAccess(
  options: ResolvedServerOptions,
  ports: AccessPorts,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Access {
  const authorizer = ports.authorizer ?? composeRules(options);
  if (authorizer instanceof RuleAuthorizer && !authorizer.canConnect) {
    logger.warn({}, 'nobody can connect: no rule of auth.rules allows connect');
  }
  if (ports.authenticator !== undefined) {
    return { authenticator: ports.authenticator, authorizer, load: () => Promise.resolve() };
  }
  const { jwt, passwordFile, csrf } = options.auth;
  const tokens = jwt === null ? null : composeJwt(jwt, clock, logger);
  const passwords = passwordFile === null ? null : new PasswordFileAuthenticator(passwordFile, logger);
  const identifiers = composeIdentifiers(options, ports, [tokens, passwords]);
  warnOf(options, identifiers.length, logger);
  const chain = limited(new ChainAuthenticator({ anonymous: options.auth.anonymous, identifiers }), options, clock);
  return {
    authenticator:
      csrf === null ? chain : new CsrfAuthenticator(chain, { ...csrf, expectedToken: tokenFromCookie(csrf.cookie) }),
    authorizer,
    load: async () => {
      if (jwt !== null) await loadKeys(jwt, tokens);
      if (passwords !== null) await loading('auth.passwordFile', () => passwords.load());
    },
  };
}

function limited(inner: Authenticator, { auth, broker }: ResolvedServerOptions, clock: Clock): Authenticator {
  if (auth.guesses === null) return inner;
  return new GuessLimiter(inner, auth.guesses, { clock, proxyHops: broker.quotas.proxyHops });
}

function composeIdentifiers(
  { auth }: ResolvedServerOptions,
  { authenticate }: AccessPorts,
  [tokens, passwords]: readonly [Identifier | null, Identifier | null],
): Identifier[] {
  const all = [
    authenticate === undefined ? null : new HandshakeAuthenticator(authenticate),
    auth.trustedHeader === null ? null : new HeaderAuthenticator(auth.trustedHeader),
    tokens,
    // Before the list, so that a login of the list takes no less time than any other.
    passwords,
    auth.users.length === 0 ? null : new LoginAuthenticator({ anonymous: false, users: auth.users }),
  ];
  return all.filter((identifier) => identifier !== null);
}

/** @param at what the options are called */
export function composeJwt(
  options: ResolvedJwtOptions,
  clock: Clock,
  logger: Logger,
  at = 'auth.jwt',
): JwtAuthenticator {
  const { keys, ...rest } = options;
  if ('secret' in keys && Buffer.byteLength(keys.secret) < MIN_SECRET_BYTES) {
    logger.warn({}, `${at}.secret is short: fewer than ${MIN_SECRET_BYTES} octets can be guessed`);
  }
  return new JwtAuthenticator({ ...rest, keys: composeKeys(keys, clock, logger), clock });
}

function composeKeys(keys: ResolvedJwtOptions['keys'], clock: Clock, logger: Logger): TokenKeys {
  if ('secret' in keys) return new SecretKeys(keys.secret);
  if ('secretFile' in keys) return new FileKeys(keys.secretFile, true, logger);
  if ('keyFile' in keys) return new FileKeys(keys.keyFile, false, logger);
  const { jwksUrl, ...limits } = keys;
  return new RemoteKeys(jwksUrl, limits, clock, logger);
}

function composeRules({ auth, broker }: ResolvedServerOptions): RuleAuthorizer | null {
  if (auth.rules.length === 0) return null;
  try {
    return new RuleAuthorizer({ rules: auth.rules, separator: broker.destinations.separator });
  } catch (error) {
    throw error instanceof BrokerError ? new OptionsError([`auth.${error.message}`]) : error;
  }
}

function warnOf({ auth }: ResolvedServerOptions, identifiers: number, logger: Logger): void {
  if (!auth.anonymous && identifiers === 0) {
    logger.warn({}, 'nobody can connect: auth.users is empty and anonymous clients are refused beyond loopback');
  }
  if (auth.trustedHeader !== null && auth.trustedHeader.from !== 'handshake') {
    logger.warn({}, 'auth.trustedHeader believes the CONNECT frame: every client can claim to be any user');
  }
}

/** @throws OptionsError for a file that cannot be used */
export function loadKeys(
  { keys }: ResolvedJwtOptions,
  tokens: JwtAuthenticator | null,
  at = 'auth.jwt',
): Promise<void> {
  return loading(`${at}.${'secretFile' in keys ? 'secretFile' : 'keyFile'}`, () => tokens?.load());
}

async function loading(option: string, load: () => Promise<void> | undefined): Promise<void> {
  try {
    await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new OptionsError([`${option}: cannot be used: ${code ?? message}`]);
  }
}
