/** Puts the WebSocket side into an OpenAPI 3.1 document: webhooks, `x-websocket`, schemas. Pure functions. */
import { CLIENT_TO_SERVER, CONNECTION, SCHEMAS, SERVER_TO_CLIENT } from './event-documentation.js';
import { REST_SPEC } from './rest-documentation.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** Two parts of a specification that say different things under one name. */
export class SpecificationClash extends Error {
  override readonly name = 'SpecificationClash';

  /** @param places such as `components.schemas.Message` */
  constructor(readonly places: readonly string[]) {
    super(`given twice, and differently: ${places.join(', ')}`);
  }
}

/**
 * The specification with the chat's WebSocket side in it; nothing that was there is lost or changed but the version.
 * @throws SpecificationClash naming everything that is there already and means something else
 */
export function mergeLegacySpecWithWebSocket(legacy: JsonObject): JsonObject {
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
  const components = isObject(legacy['components']) ? legacy['components'] : {};
  const webhooks = Object.fromEntries(SERVER_TO_CLIENT.map(({ name, ...entry }) => [name, webhookOf(entry)]));
  const merged = {
    ...legacy,
    openapi: '3.1.0',
    webhooks: merge('webhooks', webhooks, legacy['webhooks']),
    'x-websocket': merge('x-websocket', xWebSocket(), legacy['x-websocket']),
    components: { ...components, schemas: merge('components.schemas', SCHEMAS, components['schemas']) },
  };
  if (clashes.length > 0) throw new SpecificationClash(clashes);
  return merged;
}

/** The whole of market-chat. */
export function getCompleteOpenAPISpec(): JsonObject {
  return mergeLegacySpecWithWebSocket(REST_SPEC);
}

function webhookOf({ summary, schema }: { readonly summary: string; readonly schema: string }): JsonObject {
  return {
    post: {
      summary,
      requestBody: { required: true, content: { 'application/json': { schema: ref(schema) } } },
      responses: { 200: { description: 'Nothing is answered: this is an event for Socket.IO clients' } },
    },
  };
}

function xWebSocket(): JsonObject {
  const events = CLIENT_TO_SERVER.map(({ name, summary, schema }) => ({ name, summary, schema: ref(schema) }));
  return { ...CONNECTION, events: { 'client-to-server': events } };
}

function ref(schema: string): JsonObject {
  return { $ref: `#/components/schemas/${schema}` };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
