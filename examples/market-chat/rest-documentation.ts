/** The REST part of the chat's OpenAPI document: what was there before there were events. */
const json = (schema: object): object => ({ content: { 'application/json': { schema } } });
const message = { $ref: '#/components/schemas/WebSocketMessage' };
const chatId = { name: 'chatId', in: 'path', required: true, schema: { type: 'string' } };
const refused = { 401: { description: 'No session' }, 403: { description: 'Not a chat of this user' } };

export const REST_SPEC = {
  openapi: '3.0.3',
  info: { title: 'Market chat', version: '1.0.0' },
  paths: {
    '/api/login': {
      post: {
        summary: 'Begin a session; sets the cookie',
        requestBody: json({ type: 'object', required: ['user'], properties: { user: { type: 'string' } } }),
        responses: { 200: { description: 'The user' } },
      },
    },
    '/api/chats': {
      get: {
        summary: 'The chats of this user',
        responses: {
          200: { description: 'Chats', ...json({ type: 'array', items: { $ref: '#/components/schemas/Chat' } }) },
          401: refused[401],
        },
      },
    },
    '/api/chats/{chatId}/messages': {
      parameters: [chatId],
      get: {
        summary: 'What was said',
        responses: { 200: { description: 'Messages', ...json({ type: 'array', items: message }) }, ...refused },
      },
      post: {
        summary: 'Say something; everybody who follows the chat gets serverMessage',
        requestBody: json({ type: 'object', required: ['text'], properties: { text: { type: 'string' } } }),
        responses: { 201: { description: 'The message', ...json(message) }, ...refused },
      },
    },
    '/api/metrics': { get: { summary: 'Connections and messages', responses: { 200: { description: 'Numbers' } } } },
  },
  components: {
    securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'sid' } },
    schemas: {
      Chat: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          title: { type: 'string' },
          members: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
  security: [{ session: [] }],
};
