/** Names that nobody can guess, of sessions, nodes, reply addresses: safe in headers, on command lines, in URLs. */
import { randomBytes } from 'node:crypto';

/** Letters, digits, `-` and `_`; no `-` at its head, as it would be an option where a command line names a session. */
export function createId(bytes: number): string {
  return randomBytes(bytes).toString('base64url').replace(/^-/, '_');
}
