/**
 * Starts the user proxy: `npm run example:user-proxy`, then http://localhost:8080; workers over TCP on 61613. PORT and
 * TCP_PORT take other ports, and what shared/operation.ts reads.
 */
import { operationFromEnvironment } from '../shared/operation.js';
import { portOf, runExample } from '../shared/run-example.js';
import { createUserProxyApp } from './server.js';

await runExample(async () => {
  const tcpPort = portOf('TCP_PORT', 61613);
  return (await createUserProxyApp({ tcpPort, ...operationFromEnvironment() })).app;
});
