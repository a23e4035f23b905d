/** Starts market-chat: `npm run example:market-chat`, then http://localhost:8080; PORT takes another port. */
import { Chats } from './chats.js';
import { createMarketChatApp } from './server.js';

const chats = new Chats();
chats.add({ id: 'clock-42', title: 'Brass carriage clock', members: ['ann', 'bob'] });
chats.add({ id: 'saddle-7', title: 'Leather saddle', members: ['ann', 'bob'] });
const app = await createMarketChatApp({ chats });
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
