/**
 * What `import … from 'hoofbeat'` gives: a server of its own, a broker for a server of the
 * application, and the types around them.
 */
export { Broker } from '../broker/broker.js';
export { BrokerError, BROKER_ERROR_CODES, type BrokerErrorCode } from '../broker/errors.js';
export { DEFAULT_BROKER_OPTIONS, type BrokerOptions, type Partially } from '../broker/options.js';
export type * from '../broker/index.js';
export {
  type AuditEntry,
  type ConfigurationChange,
  mergeWebSocket,
  type ReloadResult,
  SpecificationClash,
  type WebSocketDescription,
  type WebSocketEvent,
} from './admin/index.js';
export * from './auth/index.js';
export * from './config/index.js';
export * from './connection-log/index.js';
export {
  createBroker,
  hoofbeat,
  type EmbeddedBroker,
  type EmbeddedOptions,
  type HoofbeatPluginOptions,
} from './embedding/index.js';
export * from './gateways/index.js';
export { createLogger, type LoggerOptions, type ServerLogger } from './logging/index.js';
export { createStompServer, type StompServer, type StompServerPorts } from './stomp-server.js';
export * from './stores/index.js';
export { SystemClock } from './system-clock.js';
