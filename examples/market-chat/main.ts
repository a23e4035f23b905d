/**
 * Starts market-chat: `npm run example:market-chat`, then http://localhost:8080; PORT takes another port, and what
 * shared/operation.ts reads.
 */
import { operationFromEnvironment } from '../shared/operation.js';
import { runExample } from '../shared/run-example.js';
import { Chats } from './chats.js';
import { createMarketChatApp } from './server.js';

await runExample(() => {
  const chats = new Chats();
  chats.add({ id: 'clock-42', title: 'Brass carriage clock', members: ['ann', 'bob'] });
  chats.add({ id: 'saddle-7', title: 'Leather saddle', members: ['ann', 'bob'] });
  return createMarketChatApp({ chats, ...operationFromEnvironment() });
});
