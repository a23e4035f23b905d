/** Starts the greeting example: `npm run example:greeting`, then http://localhost:8080; PORT takes another port. */
import { createGreetingServer } from './server.js';

const app = await createGreetingServer();
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
