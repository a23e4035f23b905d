/**
 * JSON Web Tokens (RFC 7519, signed as of RFC 7515): who the client is by the claims of a token that it shows. Which
 * algorithms are good is a matter of configuration alone, whatever the token says about itself.
 */
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { BrokerError } from '../../broker/errors.js';
import type { Clock, ConnectRequest, Principal } from '../../broker/ports.js';
import { principalOf, type ClaimNames } from './claims.js';
import type { Identifier } from './identifier.js';
import type { KeyHint, TokenKeys } from './jwt-keys.js';
import { DEFAULT_TOKEN_SOURCES, findToken, type TokenSource } from './token-source.js';

export type JwtAlgorithm = `${'HS' | 'RS' | 'PS' | 'ES'}${'256' | '384' | '512'}` | 'EdDSA' | 'Ed25519';

export interface JwtAuthenticatorOptions extends ClaimNames {
  readonly keys: TokenKeys;
  /** Algorithms that a token may be signed with. */
  readonly algorithms: readonly JwtAlgorithm[];
  /** Values of `iss` that are accepted; missing: any. */
  readonly issuer?: readonly string[] | undefined;
  /** Values of `aud` of which a token needs one; missing: any. */
  readonly audience?: readonly string[] | undefined;
  /** How far the clocks of signer and server may be apart; a token is good for that much longer. Default 0. */
  readonly clockToleranceMs?: number | undefined;
  /** Refuses tokens that never expire. Default false. */
  readonly requireExpiry?: boolean | undefined;
  /** Where tokens are looked for, in order. Default: `authorization`, `query`, `connect`. */
  readonly from?: readonly TokenSource[] | undefined;
  readonly clock: Clock;
}

/** Claims whose failure has a text of its own; the text never quotes the token. */
const CLAIM_REFUSALS: Readonly<Record<string, string | undefined>> = Object.freeze({
  aud: 'The token is meant for another audience',
  iss: 'The token is from another issuer',
  nbf: 'The token is not valid yet',
  exp: 'The token does not say when it expires',
});

export class JwtAuthenticator implements Identifier {
  readonly #options: JwtAuthenticatorOptions;
  readonly #sources: readonly TokenSource[];
  readonly #verifyOptions: JWTVerifyOptions;
  /** A passcode may be a token: then one that is not is a wrong passcode. */
  readonly checksPasscodes: boolean;

  constructor(options: JwtAuthenticatorOptions) {
    const { algorithms, issuer, audience, clockToleranceMs = 0, requireExpiry } = options;
    this.#options = options;
    this.#sources = options.from ?? DEFAULT_TOKEN_SOURCES;
    this.checksPasscodes = this.#sources.includes('connect');
    this.#verifyOptions = {
      algorithms: [...algorithms],
      clockTolerance: clockToleranceMs / 1000,
      ...(issuer === undefined ? {} : { issuer: [...issuer] }),
      ...(audience === undefined ? {} : { audience: [...audience] }),
      ...(requireExpiry === true ? { requiredClaims: ['exp'] } : {}),
    };
  }

  /** Reads or fetches the keys; rejects when a file of keys cannot be used. */
  load(): Promise<void> {
    return this.#options.keys.load();
  }

  /** Null without a token. Rejects with BrokerError `token-expired`, `token-invalid`, `keys-unreachable`. */
  identify(request: ConnectRequest): Promise<Principal> | null {
    const token = findToken(request, this.#sources);
    return token === undefined ? null : this.#verify(token);
  }

  async #verify(token: string): Promise<Principal> {
    const claims = await this.#claimsOf(token);
    return principalOf(claims, this.#options, this.#options.clockToleranceMs ?? 0);
  }

  async #claimsOf(token: string): Promise<JWTPayload> {
    const currentDate = new Date(this.#options.clock.epochMs());
    let failure: unknown;
    for (const key of await this.#options.keys.find(this.#hintOf(token))) {
      try {
        return (await jwtVerify(token, key, { ...this.#verifyOptions, currentDate })).payload;
      } catch (error) {
        failure = error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    throw refusalOf(failure);
  }

  /** @throws BrokerError `token-invalid` before any key is looked for */
  #hintOf(token: string): KeyHint {
    try {
      const { alg, kid } = decodeProtectedHeader(token);
      const allowed: readonly string[] = this.#options.algorithms;
      if (alg !== undefined && allowed.includes(alg)) return { alg, kid };
    } catch {
      throw new BrokerError('token-invalid', 'The token is malformed');
    }
    throw new BrokerError('token-invalid', 'The token is signed with an algorithm that is not allowed here');
  }
}

/** What jose found, in words for the client; what is no fault of the token stays what it was. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new BrokerError('token-expired', 'The token has expired');
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new BrokerError('token-invalid', 'The signature of the token is wrong');
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new BrokerError('token-invalid', CLAIM_REFUSALS[error.claim] ?? 'A claim of the token is not as it must be');
  }
  if (error instanceof errors.JOSEError) return new BrokerError('token-invalid', 'The token is malformed');
  return error;
}
