/** The ways in for clients: TCP, TLS, WebSocket and SockJS. */
export { SocketBudget } from './socket-budget.js';
export { TcpTransport, type TcpTransportOptions } from './tcp-transport.js';
export { HttpTransport, type HttpTransportOptions } from './http-transport.js';
export { attachEndpoints, type AttachedEndpoints, takeOver } from './http-endpoints.js';
export { handshakeOf } from './websocket-connection.js';
export type { Admit, EndpointOptions, PassOn, Refusal } from './endpoint.js';
export { DEFAULT_SOCKJS_OPTIONS, type SockJsOptions } from './sockjs-options.js';
export { OriginPolicy, type OriginOptions } from './origin-policy.js';
export { DEFAULT_MAX_MESSAGE_BYTES, type WebSocketOptions } from './websocket-upgrade.js';
export {
  PREFIX_FRAMING,
  RAW_FRAMING,
  SOCKJS_HTTP_FRAMING,
  SOCKJS_WEBSOCKET_FRAMING,
  WEBSOCKET_FRAMING,
} from './websocket-framing.js';
