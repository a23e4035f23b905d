/** The JSON messages of the job-status clients as a mapping: what each means, and what is said back. */
import { InvalidMessage, type JsonClient, type JsonMapping } from '../../adapters/index.js';
import { readToken, tokenOf } from '../shared/demo-tokens.js';
import { channelTopic, jobTopic, OWN_JOBS, SYSTEM } from './job-notifier.js';
import type { KeptSubscriptions } from './kept-subscriptions.js';

export function jobMessages(kept: KeptSubscriptions): JsonMapping {
  return {
    opened: ({ user, handshake }) => {
      const header = handshake?.headers['authorization'];
      const token = tokenOf(handshake?.url ?? '/', typeof header === 'string' ? header : undefined);
      return {
        type: 'connection_established',
        userId: user.name,
        username: (token === null ? null : readToken(token)?.username) ?? user.name,
        timestamp: Date.now(),
        message: 'WebSocket connection established successfully',
      };
    },
    subscriptions: (client) => [
      SYSTEM,
      { destination: `/user${OWN_JOBS}`, headers: acknowledges(client) ? { ack: 'client-individual' } : undefined },
      ...kept.resume(client.user.name ?? ''),
    ],
    receive: (message, { user }) => {
      const { type } = message;
      switch (type) {
        case 'subscribe_job':
        case 'subscribe_channel': {
          const subscription = { destination: destinationOf(message), headers: filterOf(message) };
          kept.add(user.name ?? '', subscription);
          return { type: 'subscribe', ...subscription };
        }
        case 'unsubscribe_job':
        case 'unsubscribe_channel': {
          const destination = destinationOf(message);
          kept.delete(user.name ?? '', destination);
          return { type: 'unsubscribe', destination };
        }
        case 'ack': {
          const { ackId } = message;
          if (typeof ackId !== 'string') throw new InvalidMessage('ack needs an ackId');
          return { type: 'ack', id: ackId };
        }
        case 'ping':
          return { type: 'reply', message: { type: 'pong', timestamp: Date.now() } };
        default:
          throw new InvalidMessage(`Unknown message type: ${String(type)}`);
      }
    },
    // Only who has asked for it has something to acknowledge.
    render: ({ payload, headers }) =>
      headers.has('ack') ? { ...(payload as object), ackId: headers.get('ack') } : payload,
    refused: ({ code, text, message }, client) => {
      // What was not let in is nothing to come back to.
      if (message !== null && code !== 'invalid-message' && String(message['type']).startsWith('subscribe_')) {
        kept.delete(client?.user.name ?? '', destinationOf(message));
      }
      return { type: 'error', code, message: text, jobId: message?.['jobId'], timestamp: Date.now() };
    },
  };
}

/** `?ack=true`: results come again until they are acknowledged. */
function acknowledges({ handshake }: JsonClient): boolean {
  return new URL(handshake?.url ?? '/', 'http://localhost').searchParams.get('ack') === 'true';
}

/** A selector over what the headers of a message say, e.g. `status <> 'PROCESSING'`. */
function filterOf({ filter }: Readonly<Record<string, unknown>>): { readonly selector: string } | undefined {
  if (filter === undefined) return undefined;
  if (typeof filter === 'string') return { selector: filter };
  throw new InvalidMessage('filter wants to be a text');
}

function destinationOf({ type, jobId, channel }: Readonly<Record<string, unknown>>): string {
  const isJob = String(type).endsWith('_job');
  const name = isJob ? jobId : channel;
  if ((typeof name === 'string' && name !== '') || typeof name === 'number') {
    return isJob ? jobTopic(String(name)) : channelTopic(String(name));
  }
  throw new InvalidMessage(`${String(type)} needs ${isJob ? 'a jobId' : 'a channel'}`);
}
