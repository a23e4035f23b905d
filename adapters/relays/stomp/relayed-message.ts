/** A MESSAGE of the external broker in the port's words. */
import type { RelayAck, RelayedMessage } from '../../../broker/ports.js';
import type { Frame } from '../../../protocol/index.js';

export function relayedMessage({ headers, body }: Frame, ack: RelayAck | null): RelayedMessage {
  return {
    headers,
    destination: headers.get('destination') ?? '',
    body,
    isRedelivered: headers.get('redelivered') === 'true',
    ack,
  };
}
