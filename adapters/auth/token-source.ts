/** Where a client may show its token, and how it is found there. */
import type { ConnectRequest } from '../../broker/ports.js';
import { bearerOf, cookieOf, frameHeader, handshakeHeader, queryOf } from './request-headers.js';

/**
 * - `authorization`: `Authorization: Bearer …` of the HTTP request
 * - `query`: the parameter `token` or `access_token` of its URL; `query:name`: another one
 * - `cookie:name`: a cookie of the HTTP request
 * - `connect`: of the CONNECT frame `Authorization: Bearer …`, `token`, or `passcode` where that has the form of a token
 */
export type TokenSource = 'authorization' | 'query' | `query:${string}` | `cookie:${string}` | 'connect';

/** Cookies are not among them: with one goes a CSRF check, which somebody has to think of. */
export const DEFAULT_TOKEN_SOURCES: readonly TokenSource[] = Object.freeze(['authorization', 'query', 'connect']);

/** Three parts of base64url: what JWS Compact Serialization looks like (RFC 7515, 7.1). */
const TOKEN_FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/** The token at the first source that holds one. A frame is looked at whatever the sources when nothing came before it. */
export function findToken(request: ConnectRequest, sources: readonly TokenSource[]): string | undefined {
  // A renewal, or a client over TCP: it has nothing but its frame.
  if (request.handshake === null) return tokenOfFrame(request);
  for (const source of sources) {
    const token = tokenAt(source, request);
    if (token !== undefined) return token;
  }
  return undefined;
}

function tokenAt(source: TokenSource, request: ConnectRequest): string | undefined {
  const { handshake } = request;
  if (source === 'connect') return tokenOfFrame(request);
  if (handshake === null) return undefined;
  if (source === 'authorization') return bearerOf(handshakeHeader(handshake, 'authorization'));
  if (source === 'query') return queryOf(handshake, 'token') ?? queryOf(handshake, 'access_token');
  const name = source.slice(source.indexOf(':') + 1);
  return (source.startsWith('query:') ? queryOf(handshake, name) : cookieOf(handshake, name)) || undefined;
}

function tokenOfFrame({ headers, passcode }: ConnectRequest): string | undefined {
  const authorization = frameHeader(headers, 'Authorization')?.trim();
  const token = bearerOf(authorization) ?? frameHeader(headers, 'token')?.trim();
  if (token !== undefined && token !== '') return token;
  // Some clients leave out the scheme; other schemes and plain passcodes are somebody else's to check.
  return [authorization, passcode].find((text) => text !== undefined && TOKEN_FORM.test(text));
}
