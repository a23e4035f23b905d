/**
 * The events of the chat: one handler here and one entry of documentation in event-documentation.ts for each; a test holds
 * the two equal.
 */
import { encodeSegment, type SocketIoMapping } from '../../adapters/index.js';

/** Events that clients get, by the destination they come from. */
export const SERVER_EVENTS = { serverMessage: '/topic/chats/' } as const;

export const CHAT_EVENTS: SocketIoMapping = {
  events: {
    clientJoinRoom: (_client, request) => ({ type: 'subscribe', destination: chatTopic(chatIdOf(request)) }),
    clientLeaveRoom: (_client, request) => ({ type: 'unsubscribe', destination: chatTopic(chatIdOf(request)) }),
  },
  render: ({ payload, subscription }) =>
    subscription.startsWith(SERVER_EVENTS.serverMessage) ? { event: 'serverMessage', args: [payload] } : undefined,
};

export function chatTopic(chatId: string): string {
  return `${SERVER_EVENTS.serverMessage}${encodeSegment(chatId)}`;
}

/** The id itself, or an object that has it. */
function chatIdOf(request: unknown): string {
  const id = typeof request === 'object' && request !== null ? (request as { chatId?: unknown }).chatId : request;
  if ((typeof id === 'string' && id !== '') || typeof id === 'number') return String(id);
  throw new Error('A chat id is wanted');
}
