/** What a client is told when the external broker cannot do its part, in Spring's words (S11.12). */
import { BrokerError } from '../../../broker/errors.js';
import type { Frame } from '../../../protocol/index.js';

/** Nothing is sent while the system connection is down. */
export function notAvailable(): BrokerError {
  return new BrokerError('relay-unavailable', 'Broker not available.');
}

export function failedToConnect(reason: string): BrokerError {
  return new BrokerError('relay-unavailable', `Failed to connect: ${reason}`);
}

/** The other side has closed: what was on its way may have been taken or not. */
export function connectionClosed(): BrokerError {
  return new BrokerError('relay-lost', 'Connection to broker closed.');
}

export function transportFailure(reason: string): BrokerError {
  return new BrokerError('relay-lost', `Transport failure: ${reason}`);
}

/** The external broker's own ERROR. */
export function refusedUpstream({ headers, body }: Frame): BrokerError {
  const detail = body.toString().trim();
  return new BrokerError('relay-refused', headers.get('message') ?? 'refused by the external broker', {
    ...(detail === '' ? {} : { detail }),
  });
}

/** One line: what a connection ended with before it was one. */
export function describeRefusal(error: BrokerError): string {
  return error.detail === undefined ? error.message : `${error.message}: ${error.detail.replaceAll(/\s+/g, ' ')}`;
}
