/** What travels over the WebSocket and SockJS endpoints of the running server, for an OpenAPI document. */
import { z } from 'zod';
import type { Broker } from '../../../broker/broker.js';
import type { AdministeredServer } from '../admin-parts.js';
import { asyncApiDocument } from './asyncapi.js';
import type { WebSocketDescription, WebSocketEvent } from './websocket-extension.js';

/** Made of the same as the AsyncAPI document. Null: there is no such endpoint. */
export function describeWebSocket(broker: Broker, server: AdministeredServer): WebSocketDescription | null {
  const [first] = server.endpoints;
  if (first === undefined) return null;
  const { channels, operations } = asyncApiDocument(broker, server);
  const { schemas, byAddress } = schemasOf(broker);
  const clientToServer = new Map<string, WebSocketEvent>();
  const serverToClient = new Map<string, WebSocketEvent>();
  const add = (to: Map<string, WebSocketEvent>, reference: { readonly $ref: string }, summary: string): void => {
    const { address = '', description = '' } = channels[reference.$ref.replace('#/channels/', '')] ?? {};
    const event = { name: address, summary: `${summary}. ${description}`, schema: byAddress.get(address) ?? null };
    if (!to.has(address)) to.set(address, event);
  };
  for (const { action, channel, summary, reply } of Object.values(operations)) {
    add(action === 'receive' ? clientToServer : serverToClient, channel, summary);
    if (reply !== undefined) add(serverToClient, reply.channel, 'MESSAGE to who has subscribed');
  }
  return {
    connection: {
      path: first.path,
      protocol: 'stomp',
      description: 'STOMP 1.0 to 1.2 in WebSocket messages, a frame each; names of events are destinations.',
      endpoints: server.endpoints.map(({ path, isSockJs }) => ({ path, sockjs: isSockJs })),
    },
    clientToServer: [...clientToServer.values()],
    serverToClient: [...serverToClient.values()],
    schemas,
  };
}

interface Schemas {
  readonly schemas: Readonly<Record<string, unknown>>;
  /** Destination → name among `schemas`. */
  readonly byAddress: ReadonlyMap<string, string>;
}

/** Of handlers with a zod schema; others do not tell. */
function schemasOf(broker: Broker): Schemas {
  const [prefix = ''] = broker.options.destinations.appPrefixes;
  const schemas: Record<string, unknown> = {};
  const byAddress = new Map<string, string>();
  for (const { pattern, options } of broker.operations.handlers()) {
    const { schema } = options;
    if (typeof schema !== 'object' || !('_zod' in schema)) continue;
    const address = (prefix + pattern).replace(/\{(\w+):[^}]*\}/g, '{$1}');
    if (byAddress.has(address)) continue;
    const name = nameOf(address);
    const { $schema: _draft, ...made } = z.toJSONSchema(schema as unknown as z.ZodType, {
      io: 'input',
      unrepresentable: 'any',
    });
    // What it refers to within itself is found from its own root.
    schemas[name] = JSON.stringify(made).includes('"$ref":"#') ? { $id: `urn:hoofbeat:schema:${name}`, ...made } : made;
    byAddress.set(address, name);
  }
  return { schemas, byAddress };
}

/** `/app/orders/{id}` → `AppOrdersId`. */
function nameOf(address: string): string {
  const words = address.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
