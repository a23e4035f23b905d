/** Ways to tell who a client is, and what it may do. */
export { ChainAuthenticator, type ChainAuthenticatorOptions } from './chain-authenticator.js';
export { CsrfAuthenticator, type CsrfOptions, isCsrfToken, tokenFromCookie } from './csrf.js';
export { GuessLimiter, type GuessLimits } from './guess-limiter.js';
export { type AuthenticateHook, HandshakeAuthenticator } from './handshake-authenticator.js';
export { HeaderAuthenticator, type HeaderAuthenticatorOptions } from './header-authenticator.js';
export type { Identifier } from './identifier.js';
export { type JwtAlgorithm, JwtAuthenticator, type JwtAuthenticatorOptions } from './jwt-authenticator.js';
export { FileKeys, RemoteKeys, type RemoteKeyOptions, SecretKeys, type TokenKeys } from './jwt-keys.js';
export { LoginAuthenticator, type LoginAuthenticatorOptions, type LoginUser } from './login-authenticator.js';
export { hashPasscode } from './passcode-hash.js';
export { isStorableLogin, parsePasswordFile, type PasswordEntry, splitRoles, withEntry } from './password-file.js';
export { PasswordFileAuthenticator } from './password-file-authenticator.js';
export {
  type Rule,
  type RuleAction,
  RuleAuthorizer,
  type RuleAuthorizerOptions,
  type RuleCheck,
} from './rule-authorizer.js';
export type { TokenSource } from './token-source.js';
