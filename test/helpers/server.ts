/** A whole server on free loopback ports, silent, for tests over real sockets. */
import { createHash, randomUUID } from 'node:crypto';
import { createClusteredServer } from '../../adapters/clustered-server.js';
import type { ServerOptions, StompServer, StompServerPorts } from '../../adapters/index.js';

export interface TestServer {
  readonly server: StompServer;
  /** 0 when the listener is off. */
  readonly tcpPort: number;
  readonly httpPort: number;
  readonly stop: () => Promise<void>;
}

/** More than 1: the sockets of every test server are held by so many worker processes (test/adapters/workers/suites.test.ts). */
const WORKERS = Number(process.env['HOOFBEAT_TEST_WORKERS'] ?? 1);

/** Its URL: every test server is a node of a cluster of its own there (test/adapters/redis/suites.test.ts). */
const REDIS = process.env['HOOFBEAT_TEST_REDIS'];

/** Of the same directory, the same cluster again. */
function clusterOfItsOwn({ data }: ServerOptions): ServerOptions {
  if (REDIS === undefined) return {};
  const name = typeof data === 'string' ? createHash('sha1').update(data).digest('hex') : randomUUID();
  return { relay: { type: 'redis', url: REDIS, keyPrefix: `${name}:` } };
}

/** Starts a server with `options` over ports 0 and log level silent. */
export async function startTestServer(options: ServerOptions = {}, ports: StompServerPorts = {}): Promise<TestServer> {
  const server = createClusteredServer(
    {
      data: false,
      workers: WORKERS,
      ...clusterOfItsOwn(options),
      ...options,
      // Most tests leave something unacknowledged behind: nobody is to wait for it.
      broker: { ...options.broker, shutdown: { settleMs: 0, ...options.broker?.shutdown } },
      http: options.http === false ? false : { port: 0, ...options.http },
      tcp: options.tcp === false ? false : { port: 0, ...options.tcp },
      log: { level: 'silent', ...options.log },
    },
    ports,
    (text) => {
      throw new Error(text);
    },
  );
  const addresses = await server.start();
  const portOf = (...names: readonly string[]): number =>
    addresses.find((address) => names.includes(address.transport))?.port ?? 0;
  // Clients that a test leaves behind are cut soon, not waited for.
  return { server, tcpPort: portOf('tcp', 'tls'), httpPort: portOf('http', 'https'), stop: () => server.stop(500) };
}
