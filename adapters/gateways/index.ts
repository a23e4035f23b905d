/** Ways in for clients that speak something else than STOMP: each has an ordinary session. */
export type { Gateway, GatewayHost } from './gateway.js';
export type { GatewayMessage, SessionAction, StandingSubscription } from './gateway-session.js';
export { type ConfiguredMessage, type ConfiguredMessages, configuredMapping } from './json/configured-mapping.js';
export { JsonGateway, type JsonGatewayStats } from './json/json-gateway.js';
export type { JsonGatewayOptions } from './json/json-options.js';
export {
  InvalidMessage,
  type JsonAction,
  type JsonClient,
  type JsonMapping,
  type JsonRefusal,
} from './json/json-mapping.js';
export { encodeSegment } from './segment.js';
export { SocketIoGateway, type SocketIoGatewayStats } from './socketio/socketio-gateway.js';
export type {
  SocketIoAction,
  SocketIoClient,
  SocketIoEvent,
  SocketIoMapping,
  SocketIoOptions,
} from './socketio/socketio-mapping.js';
export type { SocketIoServer } from './socketio/socketio-server.js';
