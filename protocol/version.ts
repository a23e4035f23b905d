/** The three versions of STOMP, and which one two sides agree on (STOMP 1.2, Protocol Negotiation). */
import { ProtocolError, quoteInput } from './protocol-error.js';

export type StompVersion = '1.0' | '1.1' | '1.2';

/** Highest first: the order of preference. */
export const STOMP_VERSIONS: readonly StompVersion[] = ['1.2', '1.1', '1.0'];

/**
 * Picks the highest version both sides speak.
 * @param acceptVersion value of `accept-version`; undefined means a 1.0 client. Blanks around items are ignored.
 * @throws ProtocolError `version-unsupported` when nothing is in common
 */
export function negotiateVersion(
  acceptVersion: string | undefined,
  supported: readonly StompVersion[] = STOMP_VERSIONS,
): StompVersion {
  const offered = acceptVersion === undefined ? ['1.0'] : acceptVersion.split(',').map((item) => item.trim());
  const version = STOMP_VERSIONS.find((candidate) => supported.includes(candidate) && offered.includes(candidate));
  if (version !== undefined) return version;
  throw new ProtocolError(
    'version-unsupported',
    `Supported protocol versions are ${[...supported].reverse().join(',')}, got accept-version ${quoteInput(acceptVersion ?? '1.0')}`,
  );
}
