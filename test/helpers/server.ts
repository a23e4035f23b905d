/** A whole server on free loopback ports, silent, for tests over real sockets. */
import {
  createStompServer,
  type ServerOptions,
  type StompServer,
  type StompServerPorts,
} from '../../adapters/index.js';

export interface TestServer {
  readonly server: StompServer;
  /** 0 when the listener is off. */
  readonly tcpPort: number;
  readonly httpPort: number;
  readonly stop: () => Promise<void>;
}

/** Starts a server with `options` over ports 0 and log level silent. */
export async function startTestServer(options: ServerOptions = {}, ports: StompServerPorts = {}): Promise<TestServer> {
  const server = createStompServer(
    {
      data: false,
      ...options,
      http: options.http === false ? false : { port: 0, ...options.http },
      tcp: options.tcp === false ? false : { port: 0, ...options.tcp },
      log: { level: 'silent', ...options.log },
    },
    ports,
  );
  const addresses = await server.start();
  const portOf = (...names: readonly string[]): number =>
    addresses.find((address) => names.includes(address.transport))?.port ?? 0;
  // Clients that a test leaves behind are cut soon, not waited for.
  return { server, tcpPort: portOf('tcp', 'tls'), httpPort: portOf('http', 'https'), stop: () => server.stop(500) };
}
