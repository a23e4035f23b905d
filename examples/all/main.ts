/**
 * Starts all five systems: `npm run example:all`, then http://localhost:8080; workers of user-proxy on 61613. PORT and
 * TCP_PORT take other ports.
 */
import { once } from 'node:events';
import { portOf, runExample } from '../shared/run-example.js';
import { createAllExamples } from './server.js';

await runExample(async () => {
  const { server, close } = await createAllExamples({ tcpPort: portOf('TCP_PORT', 61613), logLevel: 'warn' });
  return {
    listen: ({ port, host }) => once(server.listen(port, host), 'listening'),
    close,
  };
});
