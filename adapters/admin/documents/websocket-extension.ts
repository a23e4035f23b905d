/**
 * WebSocket events in an OpenAPI 3.1 document, for readers and generators that know no AsyncAPI: what clients get stands
 * under `webhooks`, how they connect and what they send under `x-websocket`, schemas with the others. Pure functions.
 */
type JsonObject = Readonly<Record<string, unknown>>;

export interface WebSocketEvent {
  /** E.g. a destination, or the name of an event. */
  readonly name: string;
  readonly summary: string;
  /** Of `schemas`; null: anything. */
  readonly schema: string | null;
}

/** One way to connect, and what travels on it. */
export interface WebSocketDescription {
  /** At least `path` and `protocol`. */
  readonly connection: JsonObject & { readonly path: string; readonly protocol: string };
  readonly clientToServer: readonly WebSocketEvent[];
  readonly serverToClient: readonly WebSocketEvent[];
  /** By name, for `components.schemas`. */
  readonly schemas: JsonObject;
}

/** Two parts of a specification that say different things under one name. */
export class SpecificationClash extends Error {
  override readonly name = 'SpecificationClash';

  /** @param places such as `components.schemas.Message` */
  constructor(readonly places: readonly string[]) {
    super(`given twice, and differently: ${places.join(', ')}`);
  }
}

/**
 * The specification with the events in it. Nothing that was there is lost; only the version becomes 3.1, which webhooks
 * need. Merging twice is merging once.
 * @throws SpecificationClash naming everything that is there already and means something else
 */
export function mergeWebSocket(specification: JsonObject, described: WebSocketDescription): JsonObject {
  const clashes: string[] = [];
  const merge = (place: string, ours: JsonObject, theirs: unknown): JsonObject => {
    const there = isObject(theirs) ? theirs : {};
    for (const [name, value] of Object.entries(ours)) {
      if (Object.hasOwn(there, name) && JSON.stringify(there[name]) !== JSON.stringify(value)) {
        clashes.push(`${place}.${name}`);
      }
    }
    return { ...there, ...ours };
  };
  const components = isObject(specification['components']) ? specification['components'] : {};
  const webhooks = Object.fromEntries(described.serverToClient.map((event) => [event.name, webhookOf(event)]));
  const merged = {
    ...specification,
    openapi: '3.1.0',
    webhooks: merge('webhooks', webhooks, specification['webhooks']),
    'x-websocket': merge('x-websocket', extensionOf(described), specification['x-websocket']),
    components: { ...components, schemas: merge('components.schemas', described.schemas, components['schemas']) },
  };
  if (clashes.length > 0) throw new SpecificationClash(clashes);
  return merged;
}

function webhookOf({ summary, schema }: WebSocketEvent): JsonObject {
  return {
    post: {
      summary,
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(schema) } } },
      responses: { 200: { description: 'Nothing is answered: this is an event for clients that are connected' } },
    },
  };
}

function extensionOf({ connection, clientToServer }: WebSocketDescription): JsonObject {
  const events = clientToServer.map(({ name, summary, schema }) => ({ name, summary, schema: schemaOf(schema) }));
  return { ...connection, events: { 'client-to-server': events } };
}

function schemaOf(schema: string | null): JsonObject {
  return schema === null ? {} : { $ref: `#/components/schemas/${schema}` };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
