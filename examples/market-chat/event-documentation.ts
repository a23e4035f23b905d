/** Documentation of the chat's events, as OpenAPI 3.1 wants it: an entry for each, and the schemas they use. */
import type { WebSocketEvent } from '../../adapters/index.js';

const chatId = { type: 'string', description: 'A chat that the user may see' };

export const CLIENT_TO_SERVER: readonly WebSocketEvent[] = [
  { name: 'clientJoinRoom', summary: 'Follow a chat; ignored without the right to see it', schema: 'JoinRoomRequest' },
  { name: 'clientLeaveRoom', summary: 'Follow a chat no longer', schema: 'LeaveRoomRequest' },
];

export const SERVER_TO_CLIENT: readonly WebSocketEvent[] = [
  { name: 'serverMessage', summary: 'A new message in a chat that is followed', schema: 'WebSocketMessage' },
];

export const SCHEMAS = {
  JoinRoomRequest: { ...chatId, examples: ['clock-42'] },
  LeaveRoomRequest: { ...chatId, examples: ['clock-42'] },
  WebSocketMessage: {
    type: 'object',
    required: ['id', 'chatId', 'sender', 'text', 'sentAt'],
    properties: {
      id: { type: 'integer' },
      chatId: { type: 'string' },
      sender: { type: 'string' },
      text: { type: 'string' },
      sentAt: { type: 'string', format: 'date-time' },
    },
  },
};

export const CONNECTION = {
  path: '/ws',
  protocol: 'socket.io',
  description: 'Socket.IO 4 with the session cookie of the REST API; without one the connection is refused.',
};
