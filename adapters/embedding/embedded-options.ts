/** Options of a broker that lives in an HTTP server of the application: those of a whole server without the HTTP listener. */
import {
  type HttpEndpointOptions,
  OptionsError,
  requireOneProcess,
  type ResolvedServerOptions,
  resolveServerOptions,
  type ServerOptions,
  type TcpOptions,
} from '../config/index.js';

export interface EmbeddedOptions extends Omit<ServerOptions, 'http' | 'tcp'> {
  /**
   * Paths at which STOMP clients are served, whole paths of the server. Default: `/ws` with SockJS. Pages of other origins
   * are refused unless `allowedOrigins` or `allowedOriginPatterns` lets them in.
   */
  readonly endpoints?: readonly HttpEndpointOptions[] | undefined;
  /** Plain STOMP on a port of its own. Default: none. */
  readonly tcp?: TcpOptions | false | undefined;
}

/**
 * Whose server it is decides where it listens, so nothing is taken for local: anonymous clients are let in only by
 * `auth.anonymous`, pages of other origins only by name.
 * @throws OptionsError naming every fault by its path
 */
export function resolveEmbeddedOptions(given: EmbeddedOptions = {}): ResolvedServerOptions {
  const { endpoints, tcp, ...rest } = given;
  if (Object.hasOwn(rest, 'http')) throw new OptionsError(['http: unknown option; the paths are given as endpoints']);
  requireOneProcess(given);
  if (typeof given.admin === 'object' && given.admin.port === 'http') {
    throw new OptionsError(['admin.port: got "http", wants a number: the HTTP server is the application\'s own']);
  }
  try {
    return resolveServerOptions({ ...rest, tcp: tcp ?? false, http: { host: ANYWHERE, endpoints } });
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    throw new OptionsError(error.faults.map((fault) => fault.replace(/^http\.endpoints/, 'endpoints')));
  }
}

/** Never bound: it stands for "not only loopback". */
const ANYWHERE = '0.0.0.0';
