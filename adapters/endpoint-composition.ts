/** Part of the composition root: endpoints of the options, for STOMP and for JSON, and gateways on a server. */
import type { Server } from 'node:http';
import type { Broker } from '../broker/broker.js';
import type { Authenticator, Clock, Logger } from '../broker/ports.js';
import type { ResolvedEndpoint, ResolvedJsonEndpoint, ResolvedServerOptions } from './config/index.js';
import { configuredMapping, type Gateway, type GatewayHost, JsonGateway } from './gateways/index.js';
import type { AttachedEndpoints, EndpointOptions } from './transports/index.js';

/** What of the options the listeners are made of: no secret among it, and nothing that JSON would not carry. */
export interface ListenerOptions extends Pick<ResolvedServerOptions, 'http' | 'tcp'> {
  readonly broker: { readonly limits: { readonly frame: { readonly maxBodyBytes: number } } };
}

/** Room for headers, and for STOMP frames that share a message, beside the largest body. */
const MESSAGE_OVERHEAD_BYTES = 256 * 1024;

/** The endpoints of the options in the words of the transports, sized by what the broker takes. */
export function composeEndpoints({ http, broker }: ListenerOptions): readonly EndpointOptions[] {
  const maxMessageBytes = broker.limits.frame.maxBodyBytes + MESSAGE_OVERHEAD_BYTES;
  return http === false ? [] : http.endpoints.map((endpoint) => ({ ...endpointOptions(endpoint), maxMessageBytes }));
}

/** The configuration says what Spring's users know; the transport has names of its own. */
function endpointOptions({ sockjs, ...endpoint }: ResolvedEndpoint): EndpointOptions {
  return { ...endpoint, sockjs: sockJsOptions(sockjs) };
}

function sockJsOptions(given: ResolvedEndpoint['sockjs']): EndpointOptions['sockjs'] {
  if (typeof given === 'boolean') return given;
  const { heartbeatDelayMs, disconnectDelayMs, responseLimitBytes, jsessionid, websocket, clientLibraryUrl } = given;
  return {
    heartBeatDelayMs: heartbeatDelayMs,
    disconnectDelayMs,
    responseLimitBytes,
    sessionCookie: jsessionid,
    websocket,
    clientUrl: clientLibraryUrl,
  };
}

/** An endpoint of the options whose clients speak JSON. */
export function composeJsonEndpoint({ path, sockjs, ...options }: ResolvedJsonEndpoint): JsonGateway {
  const { typeField, messages, subscriptions, opened, delivered, refused, ...rest } = options;
  return new JsonGateway({
    ...rest,
    paths: { [path]: sockjs !== false },
    sockjs: sockJsOptions(sockjs),
    mapping: configuredMapping({ typeField, messages, subscriptions, opened, delivered, refused }),
  });
}

/** What gateways of this broker are given. */
export function composeGatewayHost(
  { broker, authenticator }: { readonly broker: Broker; readonly authenticator: Authenticator },
  ports: { readonly clock: Clock; readonly logger: Logger },
): GatewayHost {
  const session: GatewayHost['session'] = (id) => broker.operations.session(id);
  return { accept: broker.acceptor, session, authenticator, ...ports };
}

/** Puts gateways on a server, each with a line in the log. */
export function attachGateways(
  server: Server,
  gateways: readonly Gateway[],
  host: GatewayHost,
): readonly AttachedEndpoints[] {
  return gateways.map((gateway) => {
    const attached = gateway.attach(server, host);
    host.logger.info({ endpoints: attached.paths }, 'gateway attached');
    return attached;
  });
}
