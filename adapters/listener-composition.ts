/**
 * Part of the composition root: the ways in that have ports of their own. Apart from the broker's part, as a worker process
 * has these alone, and loads nothing else.
 */
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { Framing, Logger } from '../broker/ports.js';
import type { TlsFileOptions } from './config/index.js';
import { OptionsError } from './config/options-error.js';
import { attachGateways, composeEndpoints, composeJsonEndpoint, type ListenerOptions } from './endpoint-composition.js';
import type { Gateway, GatewayHost } from './gateways/index.js';
import type { Listener } from './listeners.js';
import type { ServerLogger } from './logging/index.js';
import {
  type AttachedEndpoints,
  HttpTransport,
  type PassOn,
  PREFIX_FRAMING,
  RAW_FRAMING,
  SOCKJS_HTTP_FRAMING,
  SOCKJS_WEBSOCKET_FRAMING,
  type SocketBudget,
  TcpTransport,
  WEBSOCKET_FRAMING,
} from './transports/index.js';

/**
 * @param budget of the sockets of this process; null: any number
 * @throws OptionsError when a TLS file cannot be read
 */
export async function composeTcp(
  { tcp }: Pick<ListenerOptions, 'tcp'>,
  logger: Logger,
  budget: SocketBudget | null = null,
): Promise<Listener[]> {
  if (tcp === false) return [];
  const { host, port, proxyProtocol, connectionsPerTurn } = tcp;
  const tls = await readTls('tcp', tcp.tls);
  const options = { host, port, proxyProtocol, connectionsPerTurn, logger, budget, ...tls };
  return [{ transport: new TcpTransport(options), host, port }];
}

/** What a listener over HTTP has beside its endpoints. */
export interface HttpParts {
  /** Takes requests of SockJS sessions that another process holds. */
  readonly passOn?: PassOn | undefined;
  /** For gateways and endpoints that speak JSON; missing where the broker is another process. */
  readonly gatewayHost?: GatewayHost | undefined;
  /** Beside those of the options. */
  readonly gateways?: readonly Gateway[] | undefined;
  /** Of the sockets of this process; default: any number. */
  readonly budget?: SocketBudget | null | undefined;
}

/** @throws OptionsError when a TLS file cannot be read */
export async function composeHttp(
  options: ListenerOptions,
  logger: ServerLogger,
  { passOn, gatewayHost, gateways = [], budget }: HttpParts = {},
): Promise<(Listener & { readonly transport: HttpTransport })[]> {
  const { http } = options;
  if (http === false) return [];
  const { host, port, headersTimeoutMs, requestTimeoutMs, connectionsPerTurn } = http;
  const tls = await readTls('http', http.tls);
  const bounds = { headersTimeoutMs, requestTimeoutMs, connectionsPerTurn };
  const endpoints = composeEndpoints(options);
  const attachMore = (server: Server): readonly AttachedEndpoints[] =>
    gatewayHost === undefined
      ? []
      : attachGateways(server, [...http.jsonEndpoints.map(composeJsonEndpoint), ...gateways], gatewayHost);
  const transport = new HttpTransport({ host, port, endpoints, ...bounds, logger, budget, passOn, attachMore, ...tls });
  return [{ transport, host, port }];
}

/** Every way in which the transports wrap frames, by the name under which processes of one server know it. */
export const FRAMINGS: Readonly<Record<string, Framing>> = {
  raw: RAW_FRAMING,
  websocket: WEBSOCKET_FRAMING,
  prefix: PREFIX_FRAMING,
  'sockjs-websocket': SOCKJS_WEBSOCKET_FRAMING,
  'sockjs-http': SOCKJS_HTTP_FRAMING,
};

/** @throws OptionsError when one of them cannot be read */
export async function readTls(
  listener: 'http' | 'tcp' | 'admin',
  files: TlsFileOptions | undefined,
): Promise<{ tls?: { cert: Buffer; key: Buffer } }> {
  if (files === undefined) return {};
  const read = async (option: keyof TlsFileOptions): Promise<Buffer> => {
    try {
      return await readFile(files[option]);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const got = JSON.stringify(files[option]);
      throw new OptionsError([`${listener}.tls.${option}: got ${got}, wants a readable PEM file (${String(code)})`]);
    }
  };
  return { tls: { cert: await read('certFile'), key: await read('keyFile') } };
}
