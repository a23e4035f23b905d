/** Queues and acknowledgements over raw sockets, in each version's own words. */
import type { RawClient, ReceivedFrame, Version } from './raw-client.js';

/** The versions that have NACK, `client-individual` and cumulative ACK within one subscription. */
export const NACK_VERSIONS: readonly Version[] = ['1.1', '1.2'];

/** What ACK and NACK of `message` carry on the client's version. */
export function settlingHeaders(client: RawClient, message: ReceivedFrame): Record<string, string> {
  if (client.version === '1.2') return { id: message.getRaw('ack') ?? '' };
  const named = { 'message-id': message.getRaw('message-id') ?? '' };
  return client.version === '1.0' ? named : { ...named, subscription: message.getRaw('subscription') ?? '' };
}

/** Sends ACK or NACK of `message`. */
export function settle(
  client: RawClient,
  verb: 'ACK' | 'NACK',
  message: ReceivedFrame | undefined,
  more: Readonly<Record<string, string>> = {},
): void {
  if (message === undefined) throw new Error('no message to settle');
  client.sendFrame(verb, { ...settlingHeaders(client, message), ...more });
}

/** Sends one message for each body. */
export function sendAll(
  client: RawClient,
  destination: string,
  bodies: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): void {
  for (const body of bodies) client.sendFrame('SEND', { destination, ...headers }, body);
}

/** The bodies of the next `count` MESSAGEs; proves that no more are on their way. */
export async function nextBodies(client: RawClient, count: number): Promise<string[]> {
  const bodies = (await client.messages(count)).map(({ text }) => text);
  await client.fence();
  return bodies;
}
