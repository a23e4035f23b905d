/**
 * Starts the user proxy: `npm run example:user-proxy`, then http://localhost:8080; workers over TCP on 61613. PORT and
 * TCP_PORT take other ports.
 */
import { createUserProxyApp } from './server.js';

const { app } = await createUserProxyApp({ tcpPort: Number(process.env['TCP_PORT'] ?? 61613) });
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
