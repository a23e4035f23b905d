/** What a request wants sent: text, JSON, or octets. */
import { Problem } from '../problem.js';

/** @throws Problem `request-invalid` unless exactly one of the two is there */
export function payloadOf({
  body,
  base64,
}: {
  readonly body?: unknown;
  readonly base64?: string | undefined;
}): unknown {
  if ((body === undefined) === (base64 === undefined)) {
    throw new Problem('request-invalid', 'Exactly one of body and base64 is wanted');
  }
  return base64 === undefined ? body : Buffer.from(base64, 'base64');
}
