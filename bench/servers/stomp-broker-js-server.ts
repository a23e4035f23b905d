/** stomp-broker-js as its README starts it. Its package has no types. */
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from './server-process.js';

type StompServer = new (options: { server: unknown; path: string; serverName: string }) => unknown;
const Server = createRequire(import.meta.url)('stomp-broker-js') as StompServer;

const http = createServer();
new Server({ server: http, path: '/stomp', serverName: 'stomp-broker-js' });
http.listen(0, '127.0.0.1', () => {
  serveParent({ tcpPort: 0, httpPort: (http.address() as AddressInfo).port });
});
