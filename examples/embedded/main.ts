/** hoofbeat inside a Fastify application, on the application's own port: `npm run example:embedded`. */
import fastify from 'fastify';
import { z } from 'zod';
import { hoofbeat } from '../../adapters/index.js';

const app = fastify({ logger: true });
await app.register(hoofbeat, {
  endpoints: [{ path: '/ws' }],
  // Nobody is let in unless this, or an authenticator, says so.
  auth: { anonymous: true },
  // Beside WebSocket and SockJS: plain STOMP for workers in other languages.
  tcp: { port: Number(process.env['TCP_PORT'] ?? 61613) },
});

const Order = z.object({ item: z.string(), count: z.number().int().positive() });
let lastOrder = 0;

// SEND to /app/shops/7/order is answered on /user/queue/orders, to the one who sent it …
app.broker.message(
  '/shops/{shop}/order',
  async ({ payload, variables }) => {
    const order = { id: ++lastOrder, ...payload };
    // … and told to everybody who watches that shop.
    await app.broker.convertAndSend(`/topic/shops/${variables.shop}`, order);
    return order;
  },
  { schema: Order, sendToUser: '/queue/orders' },
);

// An ordinary route beside it.
app.get('/stats', async () => app.broker.stats());

await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
