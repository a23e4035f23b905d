/** The chat's OpenAPI 3.1 document: its REST part, and its events as hoofbeat puts them beside. Pure functions. */
import { mergeWebSocket } from '../../adapters/index.js';
import { CLIENT_TO_SERVER, CONNECTION, SCHEMAS, SERVER_TO_CLIENT } from './event-documentation.js';
import { REST_SPEC } from './rest-documentation.js';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The specification with the chat's WebSocket side in it; nothing that was there is lost or changed but the version.
 * @throws SpecificationClash naming everything that is there already and means something else
 */
export function mergeLegacySpecWithWebSocket(legacy: JsonObject): JsonObject {
  return mergeWebSocket(legacy, {
    connection: CONNECTION,
    clientToServer: CLIENT_TO_SERVER,
    serverToClient: SERVER_TO_CLIENT,
    schemas: SCHEMAS,
  });
}

/** The whole of market-chat. */
export function getCompleteOpenAPISpec(): JsonObject {
  return mergeLegacySpecWithWebSocket(REST_SPEC);
}
