/** The JSON messages of the job-status clients as a mapping: what each means, and what is said back. */
import { InvalidMessage, type JsonMapping } from '../../adapters/index.js';
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
    subscriptions: ({ user }) => [SYSTEM, `/user${OWN_JOBS}`, ...kept.resume(user.name ?? '')],
    receive: (message, { user }) => {
      const { type } = message;
      switch (type) {
        case 'subscribe_job':
        case 'subscribe_channel': {
          const destination = destinationOf(message);
          kept.add(user.name ?? '', destination);
          return { type: 'subscribe', destination };
        }
        case 'unsubscribe_job':
        case 'unsubscribe_channel': {
          const destination = destinationOf(message);
          kept.delete(user.name ?? '', destination);
          return { type: 'unsubscribe', destination };
        }
        case 'ping':
          return { type: 'reply', message: { type: 'pong', timestamp: Date.now() } };
        default:
          throw new InvalidMessage(`Unknown message type: ${String(type)}`);
      }
    },
    render: ({ payload }) => payload,
    refused: ({ code, text, message }) => ({
      type: 'error',
      code,
      message: text,
      jobId: message?.['jobId'],
      timestamp: Date.now(),
    }),
  };
}

function destinationOf({ type, jobId, channel }: Readonly<Record<string, unknown>>): string {
  const isJob = String(type).endsWith('_job');
  const name = isJob ? jobId : channel;
  if ((typeof name === 'string' && name !== '') || typeof name === 'number') {
    return isJob ? jobTopic(String(name)) : channelTopic(String(name));
  }
  throw new InvalidMessage(`${String(type)} needs ${isJob ? 'a jobId' : 'a channel'}`);
}
