import t from 'tap';
import { mergeWebSocket, SpecificationClash, type WebSocketDescription } from '../../../adapters/index.js';

const DESCRIBED: WebSocketDescription = {
  connection: { path: '/ws', protocol: 'stomp' },
  clientToServer: [{ name: '/app/a', summary: 'A', schema: 'A' }],
  serverToClient: [{ name: '/topic/b', summary: 'B', schema: null }],
  schemas: { A: { type: 'string' } },
};

t.test('events stand under webhooks and x-websocket, schemas with the others', async (t) => {
  const merged = mergeWebSocket(
    { openapi: '3.0.3', info: { title: 'x' }, components: { schemas: { Z: {} } } },
    DESCRIBED,
  );
  t.strictSame(merged, {
    openapi: '3.1.0',
    info: { title: 'x' },
    webhooks: {
      '/topic/b': {
        post: {
          summary: 'B',
          requestBody: { required: true, content: { 'application/json': { schema: {} } } },
          responses: { 200: { description: 'Nothing is answered: this is an event for clients that are connected' } },
        },
      },
    },
    'x-websocket': {
      path: '/ws',
      protocol: 'stomp',
      events: { 'client-to-server': [{ name: '/app/a', summary: 'A', schema: { $ref: '#/components/schemas/A' } }] },
    },
    components: { schemas: { Z: {}, A: { type: 'string' } } },
  });
  t.strictSame(mergeWebSocket(merged, DESCRIBED), merged, 'twice is once');
});

t.test('what is there already and means something else is named', async (t) => {
  const specification = {
    webhooks: { '/topic/b': {} },
    'x-websocket': { path: '/other' },
    components: { schemas: { A: { type: 'number' } } },
  };
  t.throws(
    () => mergeWebSocket(specification, DESCRIBED),
    new SpecificationClash(['webhooks./topic/b', 'x-websocket.path', 'components.schemas.A']),
  );
});
