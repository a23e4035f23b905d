/**
 * A header that names the user, believed as it stands: for servers that only a proxy can reach which sets it itself, and
 * for development. Never active unless configured.
 */
import { BrokerError } from '../../broker/errors.js';
import type { ConnectRequest, Principal } from '../../broker/ports.js';
import type { Identifier } from './identifier.js';
import { frameHeader, handshakeHeader } from './request-headers.js';

export interface HeaderAuthenticatorOptions {
  /** E.g. `X-User-ID`; in any case of letters. */
  readonly name: string;
  /** Where it is believed: in the HTTP request, in the CONNECT frame (which the client writes itself), or in both. */
  readonly from: 'handshake' | 'connect' | 'both';
}

const NO_ROLES: readonly string[] = Object.freeze([]);

export class HeaderAuthenticator implements Identifier {
  readonly #options: HeaderAuthenticatorOptions;

  constructor(options: HeaderAuthenticatorOptions) {
    this.#options = options;
  }

  /** @throws BrokerError `authentication-failed` for a value that cannot be one name, or two values that differ */
  identify({ handshake, headers }: ConnectRequest): Principal | null {
    const { name, from } = this.#options;
    const ofHandshake = from === 'connect' || handshake === null ? undefined : handshakeHeader(handshake, name);
    const ofFrame = from === 'handshake' ? undefined : frameHeader(headers, name);
    const value = ofHandshake ?? ofFrame;
    if (value === undefined || value === '') return null;
    // Node joins repeated headers by a comma: a proxy that adds its own behind the client's must not be half believed.

    const isName = !/[\u0000-\u001f\u007f,]/.test(value) && value.trim() === value;
    if (!isName || (ofHandshake !== undefined && ofFrame !== undefined && ofHandshake !== ofFrame)) {
      throw new BrokerError('authentication-failed', `The header ${name} does not name one user`);
    }
    return { name: value, roles: NO_ROLES };
  }
}
