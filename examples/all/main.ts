/**
 * Starts all five systems: `npm run example:all`, then http://localhost:8080; workers of user-proxy on 61613. PORT and
 * TCP_PORT take other ports.
 */
import { createAllExamples } from './server.js';

const { server, close } = await createAllExamples({
  tcpPort: Number(process.env['TCP_PORT'] ?? 61613),
  logLevel: 'warn',
});
server.listen(Number(process.env['PORT'] ?? 8080), 'localhost');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close());
