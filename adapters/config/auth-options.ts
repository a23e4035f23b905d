/** Who is let in and what they may do: the `auth` part of ServerOptions, its defaults, and the step between the two. */

export interface AuthOptions {
  /**
   * Whether CONNECT without credentials is let in. Default: only while every listener is bound to loopback and no other
   * way in is configured here.
   */
  readonly anonymous?: boolean | undefined;
  readonly users?: readonly UserOptions[] | undefined;
  /** Lines `login:hash` or `login:hash:role,role`, as `hoofbeat passwd` writes them; read again when it changes. */
  readonly passwordFile?: string | undefined;
  readonly jwt?: JwtOptions | undefined;
  /** A header that is believed to name the user: only behind a proxy that sets it, or for development. */
  readonly trustedHeader?: TrustedHeaderOptions | undefined;
  /** CSRF check on CONNECT for endpoints whose clients are known by cookies; true takes every default. Default false. */
  readonly csrf?: boolean | CsrfFileOptions | undefined;
  /** Wrong credentials that may be shown before nobody is asked any more. False: any number. */
  readonly guesses?: GuessFileOptions | false | undefined;
  /** Ordered, first match decides, no match denies. Default: no rules, and everything is allowed. */
  readonly rules?: readonly RuleOptions[] | undefined;
}

export interface UserOptions {
  readonly login: string;
  readonly passcode: string;
  readonly roles?: readonly string[] | undefined;
}

/** Exactly one of `secret`, `secretFile`, `keyFile`, `jwksUrl`. */
export interface JwtOptions {
  /** Shared secret for HS256, HS384, HS512. */
  readonly secret?: string | undefined;
  /** File whose whole text, but for the line's end, is the shared secret. */
  readonly secretFile?: string | undefined;
  /** PEM (public keys, certificates), JWK or JWKS; read again when it changes. */
  readonly keyFile?: string | undefined;
  /** JWKS behind an http or https URL. */
  readonly jwksUrl?: string | undefined;
  /** Accepted algorithms. Default: HS256, HS384, HS512 for a secret, all of RS, PS, ES and EdDSA otherwise. */
  readonly algorithms?: readonly JwtAlgorithmName[] | undefined;
  /** Accepted `iss`. Default: any. */
  readonly issuer?: string | readonly string[] | undefined;
  /** Accepted `aud`. Default: any. */
  readonly audience?: string | readonly string[] | undefined;
  /** How far clocks may be apart. Default 0. */
  readonly clockToleranceMs?: number | undefined;
  /** Refuses tokens that never expire. Default false. */
  readonly requireExpiry?: boolean | undefined;
  /** Default `sub`; `a.b` walks into objects. */
  readonly userClaim?: string | undefined;
  /** Default `roles`; a list, or one text separated by blanks. */
  readonly rolesClaim?: string | undefined;
  /** Where a token is looked for, in order. Default: `authorization`, `query`, `connect`. */
  readonly from?: readonly TokenSourceName[] | undefined;
  /** Age at which keys of `jwksUrl` are fetched again. Default 600,000. */
  readonly jwksCacheMs?: number | undefined;
  /** Shortest time between two fetches that unknown key ids cause. Default 30,000. */
  readonly jwksCooldownMs?: number | undefined;
  /** Default 5,000. */
  readonly jwksTimeoutMs?: number | undefined;
}

export interface TrustedHeaderOptions {
  /** E.g. `X-User-ID`. */
  readonly name: string;
  /** `handshake`: the HTTP request; `connect`: the CONNECT frame, which clients write themselves. Default `handshake`. */
  readonly from?: 'handshake' | 'connect' | 'both' | undefined;
}

export interface CsrfFileOptions {
  /** Header of CONNECT. Default `X-CSRF-TOKEN`. */
  readonly header?: string | undefined;
  /** Cookie of the HTTP request that holds the token to compare with. Default `XSRF-TOKEN`. */
  readonly cookie?: string | undefined;
  /** Paths of the endpoints it holds for. Default: all. */
  readonly endpoints?: readonly string[] | undefined;
}

export interface GuessFileOptions {
  /** Different wrong credentials from one IPv4 address or IPv6 network (/64). Default 20. */
  readonly maxPerAddress?: number | undefined;
  /** Different wrong ones for one login, from wherever; addresses that have logged in with it are let in. Default 100. */
  readonly maxPerLogin?: number | undefined;
  /** Default 300,000. */
  readonly windowMs?: number | undefined;
}

export interface RuleOptions {
  /** Default: all three. */
  readonly action?: RuleActionName | readonly RuleActionName[] | undefined;
  /** Patterns; `{user}` is the asking user's name. Default: every destination. A rule with one does not speak of connect. */
  readonly destination?: string | readonly string[] | undefined;
  /** Any of these. */
  readonly roles?: readonly string[] | undefined;
  /** True: users only; false: anonymous clients only. */
  readonly authenticated?: boolean | undefined;
  readonly allow: boolean;
}

export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
export const PUBLIC_KEY_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
] as const;
export const RULE_ACTIONS = ['connect', 'send', 'subscribe'] as const;

export type JwtAlgorithmName = (typeof SECRET_ALGORITHMS)[number] | (typeof PUBLIC_KEY_ALGORITHMS)[number];
export type RuleActionName = (typeof RULE_ACTIONS)[number];
export type TokenSourceName = 'authorization' | 'query' | `query:${string}` | `cookie:${string}` | 'connect';

export interface ResolvedUser {
  readonly login: string;
  readonly passcode: string;
  readonly roles: readonly string[];
}

export interface ResolvedJwtOptions {
  readonly keys:
    | { readonly secret: string }
    | { readonly secretFile: string }
    | { readonly keyFile: string }
    | { readonly jwksUrl: string; readonly cacheMs: number; readonly cooldownMs: number; readonly timeoutMs: number };
  readonly algorithms: readonly JwtAlgorithmName[];
  readonly issuer: readonly string[] | undefined;
  readonly audience: readonly string[] | undefined;
  readonly clockToleranceMs: number;
  readonly requireExpiry: boolean;
  readonly userClaim: string;
  readonly rolesClaim: string;
  readonly from: readonly TokenSourceName[];
}

export interface ResolvedAuthOptions {
  readonly anonymous: boolean;
  readonly users: readonly ResolvedUser[];
  readonly passwordFile: string | null;
  readonly jwt: ResolvedJwtOptions | null;
  readonly trustedHeader: { readonly name: string; readonly from: 'handshake' | 'connect' | 'both' } | null;
  readonly csrf: {
    readonly header: string;
    readonly cookie: string;
    readonly endpoints: readonly string[] | undefined;
  } | null;
  readonly guesses: { readonly maxPerAddress: number; readonly maxPerLogin: number; readonly windowMs: number } | null;
  readonly rules: readonly RuleOptions[];
}

/** What holds when nothing is said. The numbers of JWKS are jose's; tokens in cookies are nobody's default (CSRF). */
export const DEFAULT_AUTH_OPTIONS = Object.freeze({
  jwt: Object.freeze({
    clockToleranceMs: 0,
    requireExpiry: false,
    userClaim: 'sub',
    rolesClaim: 'roles',
    from: Object.freeze(['authorization', 'query', 'connect'] as const),
    jwksCacheMs: 600_000,
    jwksCooldownMs: 30_000,
    jwksTimeoutMs: 5_000,
  }),
  trustedHeader: Object.freeze({ from: 'handshake' }),
  // 240 guesses an hour from an address; a team behind one address mistypes less often.
  guesses: Object.freeze({ maxPerAddress: 100, maxPerLogin: 100, windowMs: 300_000 }),
  csrf: Object.freeze({ header: 'X-CSRF-TOKEN', cookie: 'XSRF-TOKEN' }),
} as const);

/** @param isLocal every listener is bound to loopback */
export function resolveAuth(given: AuthOptions = {}, isLocal: boolean): ResolvedAuthOptions {
  const { users = [], passwordFile, jwt, trustedHeader, csrf = false, guesses = {}, rules = [] } = given;
  const isOpen = users.length === 0 && passwordFile === undefined && jwt === undefined && trustedHeader === undefined;
  const csrfOptions = csrf === true ? {} : csrf;
  return {
    anonymous: given.anonymous ?? (isLocal && isOpen),
    users: users.map((user) => ({ ...user, roles: user.roles ?? [] })),
    passwordFile: passwordFile ?? null,
    jwt: jwt === undefined ? null : resolveJwt(jwt),
    trustedHeader:
      trustedHeader === undefined ? null : { ...DEFAULT_AUTH_OPTIONS.trustedHeader, ...defined(trustedHeader) },
    csrf:
      csrfOptions === false ? null : { endpoints: undefined, ...DEFAULT_AUTH_OPTIONS.csrf, ...defined(csrfOptions) },
    guesses: guesses === false ? null : { ...DEFAULT_AUTH_OPTIONS.guesses, ...defined(guesses) },
    rules,
  };
}

/** Every contradiction that the form alone does not show, one line each. */
export function checkAuth({ jwt }: AuthOptions = {}): string[] {
  return jwt === undefined ? [] : checkJwt(jwt, 'auth.jwt');
}

/** @param at what the options are called */
export function checkJwt(jwt: JwtOptions, at: string): string[] {
  const names = (['secret', 'secretFile', 'keyFile', 'jwksUrl'] as const).filter((name) => jwt[name] !== undefined);
  const [source, second] = names;
  if (source === undefined) return [`${at}: got no key, wants one of secret, secretFile, keyFile, jwksUrl`];
  if (second !== undefined) return [`${at}: got ${names.join(' and ')}, wants one of them`];
  const isSecret = source === 'secret' || source === 'secretFile';
  const faults = (jwt.algorithms ?? []).flatMap((algorithm, index) => {
    const wantsSecret = algorithm.startsWith('HS');
    // A file of keys may hold a JWK that is a secret.
    if (wantsSecret === isSecret || (source === 'keyFile' && wantsSecret)) return [];
    const wants = wantsSecret ? 'an algorithm with public keys' : 'one with a shared secret';
    return [`${at}.algorithms.${index}: got "${algorithm}" with ${source}, wants ${wants}`];
  });
  return faults;
}

export function resolveJwt(given: JwtOptions): ResolvedJwtOptions {
  const standard = DEFAULT_AUTH_OPTIONS.jwt;
  const isSecret = given.secret !== undefined || given.secretFile !== undefined;
  return {
    keys: resolveKeys(given),
    algorithms: given.algorithms ?? (isSecret ? SECRET_ALGORITHMS : PUBLIC_KEY_ALGORITHMS),
    issuer: given.issuer === undefined ? undefined : [given.issuer].flat(),
    audience: given.audience === undefined ? undefined : [given.audience].flat(),
    clockToleranceMs: given.clockToleranceMs ?? standard.clockToleranceMs,
    requireExpiry: given.requireExpiry ?? standard.requireExpiry,
    userClaim: given.userClaim ?? standard.userClaim,
    rolesClaim: given.rolesClaim ?? standard.rolesClaim,
    from: given.from ?? standard.from,
  };
}

function resolveKeys(given: JwtOptions): ResolvedJwtOptions['keys'] {
  const { secret, secretFile, keyFile, jwksUrl } = given;
  const standard = DEFAULT_AUTH_OPTIONS.jwt;
  if (secret !== undefined) return { secret };
  if (secretFile !== undefined) return { secretFile };
  if (keyFile !== undefined) return { keyFile };
  return {
    jwksUrl: jwksUrl ?? '',
    cacheMs: given.jwksCacheMs ?? standard.jwksCacheMs,
    cooldownMs: given.jwksCooldownMs ?? standard.jwksCooldownMs,
    timeoutMs: given.jwksTimeoutMs ?? standard.jwksTimeoutMs,
  };
}

/** Without what is said to be undefined, so that a default shows through. */
function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
