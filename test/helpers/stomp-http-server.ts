/**
 * A whole broker behind an HTTP server on a free port of loopback, for tests of what travels over WebSocket and SockJS.
 */
import { pino } from 'pino';
import { SystemClock } from '../../adapters/system-clock.js';
import { HttpTransport, type EndpointOptions } from '../../adapters/transports/index.js';
import { Broker, type BrokerOptions, type Partially } from '../../broker/index.js';
import type { Authenticator, ConnectRequest } from '../../broker/ports.js';

export interface StompHttpServer {
  readonly broker: Broker;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  /** What clients showed at CONNECT, newest last. */
  readonly requests: readonly ConnectRequest[];
  close(): Promise<void>;
}

export interface StompHttpServerOptions {
  readonly broker?: Partially<BrokerOptions>;
  /** Default: `/ws` with SockJS and `/native` without. */
  readonly endpoints?: readonly EndpointOptions[];
}

/** CONNECT with this login is answered as a fault of the server. */
export const BREAKS_THE_SERVER = 'breaks-the-server';

const ENDPOINTS: readonly EndpointOptions[] = [{ path: '/ws', sockjs: true }, { path: '/native' }];

export async function startStompHttpServer(options: StompHttpServerOptions = {}): Promise<StompHttpServer> {
  const logger = pino({ level: 'silent' });
  const requests: ConnectRequest[] = [];
  const authenticator: Authenticator = {
    authenticate(request) {
      requests.push(request);
      if (request.login === BREAKS_THE_SERVER) throw new Error('a fault of the authenticator');
      return { name: request.login ?? null, roles: [] };
    },
  };
  const broker = new Broker(options.broker ?? {}, { clock: new SystemClock(), logger, authenticator });
  const transport = new HttpTransport({ port: 0, endpoints: options.endpoints ?? ENDPOINTS, logger });
  await broker.start();
  const { port } = await transport.listen((connection) => broker.accept(connection));
  return {
    broker,
    port,
    url: `http://127.0.0.1:${String(port)}`,
    requests,
    async close() {
      await transport.stopAccepting();
      await broker.stop(200);
      await transport.close();
    },
  };
}
