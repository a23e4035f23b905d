/** A broker for any `http.Server`: Express, NestJS, Koa or none. For Fastify there is a plugin, fastify-plugin.ts. */
import type { Server } from 'node:http';
import type { Broker } from '../../broker/broker.js';
import type { ListenAddress } from '../../broker/ports.js';
import type { CompositionPorts } from '../composition.js';
import type { ResolvedServerOptions } from '../config/index.js';
import type { ConnectionLog } from '../connection-log/index.js';
import type { EmbeddedOptions } from './embedded-options.js';
import { MountedBroker } from './mounted-broker.js';

/** The functions need no receiver: `const { broker, attach, stop } = createBroker()` is fine. */
export interface EmbeddedBroker {
  /** Handlers, sending, users and events; usable at once. */
  readonly broker: Broker;
  /** Defaults filled in. */
  readonly options: ResolvedServerOptions;
  /** Null unless the options switch it on. */
  readonly connectionLog: ConnectionLog | null;
  /** Of the `tcp` listener, port 0 resolved; empty without one, before `attach` and after `stop`. */
  readonly addresses: readonly ListenAddress[];
  /**
   * Serves the endpoints on a server, before or after it listens: requests and upgrades to their paths no longer reach
   * its other listeners, everything else does. Several servers (http and https) share one broker. Resolves when clients
   * are let in and the `tcp` listener, if there is one, is open.
   * @throws Error when attached to this server already, or stopped; OptionsError when a TLS file of `tcp` cannot be read;
   * Error of one line when `tcp` cannot listen; UnusableSinkError when the file of the connection log is none
   */
  readonly attach: (server: Server) => Promise<void>;
  /**
   * Ends every session (WebSocket status 1001) and gives the paths back. To be called before `server.close`, which waits
   * for open WebSockets.
   * @param deadlineMs after which connections that have not closed are cut; default `broker.shutdown.deadlineMs`. A call with
   * it while the broker stops tells who is left to go at once.
   */
  readonly stop: (deadlineMs?: number) => Promise<void>;
}

/**
 * Builds a broker for HTTP servers that the application owns. Without options: STOMP over WebSocket and SockJS at `/ws`,
 * pages of the server's own origin only, and nobody let in until `auth` or an authenticator says who.
 * @throws OptionsError naming every option that is wrong
 */
export function createBroker(options: EmbeddedOptions = {}, ports: CompositionPorts = {}): EmbeddedBroker {
  const mounted = new MountedBroker(options, ports);
  return {
    broker: mounted.broker,
    options: mounted.options,
    connectionLog: mounted.connectionLog,
    get addresses() {
      return mounted.addresses;
    },
    attach: async (server) => {
      mounted.mount(server);
      await mounted.start();
    },
    stop: (deadlineMs) => mounted.stop(deadlineMs),
  };
}
