/** The real server on free loopback ports, for tests that talk to it from outside. */
import { createStompServer, type ServerOptions, type StompServer, type StompServerPorts } from '../../adapters/index.js';

export interface TestServer {
  readonly server: StompServer;
  /** 0 when there is no such listener. */
  readonly tcpPort: number;
  readonly httpPort: number;
  stop(): Promise<void>;
}

/** Started; ports are 0 (free) and the log is silent unless `options` say otherwise. The caller stops it. */
export async function startTestServer(options: ServerOptions = {}, ports: StompServerPorts = {}): Promise<TestServer> {
  const server = createStompServer(
    {
      log: { level: 'silent' },
      data: false,
      ...options,
      http: options.http === false ? false : { port: 0, ...options.http },
      tcp: options.tcp === false ? false : { port: 0, ...options.tcp },
    },
    ports,
  );
  const addresses = await server.start();
  const portOf = (...names: string[]): number => addresses.find(({ transport }) => names.includes(transport))?.port ?? 0;
  return {
    server,
    tcpPort: portOf('tcp', 'tls'),
    httpPort: portOf('http', 'https'),
    stop: () => server.stop(),
  };
}
