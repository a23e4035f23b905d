/** Reads headers of a CONNECT frame, and headers, cookies and query parameters of the HTTP request before it. */
import type { Handshake } from '../../broker/ports.js';

/** The value of a frame's header; clients do not agree on the case of `Authorization`. */
export function frameHeader(headers: ReadonlyMap<string, string>, name: string): string | undefined {
  const exact = headers.get(name);
  if (exact !== undefined) return exact;
  const lower = name.toLowerCase();
  for (const [key, value] of headers) if (key.toLowerCase() === lower) return value;
  return undefined;
}

/** The value of a header of the HTTP request; undefined when it is missing or came as several. */
export function handshakeHeader(handshake: Handshake, name: string): string | undefined {
  const value = handshake.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : undefined;
}

/** The first cookie of that name (RFC 6265, 5.4), percent-decoded where that is possible. */
export function cookieOf(handshake: Handshake, name: string): string | undefined {
  for (const pair of handshakeHeader(handshake, 'cookie')?.split(';') ?? []) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    return decoded(/^".*"$/.test(value) ? value.slice(1, -1) : value);
  }
  return undefined;
}

/** The first query parameter of that name; undefined when it is missing or empty. */
export function queryOf(handshake: Handshake, name: string): string | undefined {
  const question = handshake.url.indexOf('?');
  if (question < 0) return undefined;
  return new URLSearchParams(handshake.url.slice(question + 1)).get(name) || undefined;
}

/** Path of the request, without query. */
export function pathOf(handshake: Handshake): string {
  return handshake.url.split('?', 1)[0] ?? '';
}

/** What follows `Bearer` (RFC 6750, 2.1); undefined for any other scheme. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
