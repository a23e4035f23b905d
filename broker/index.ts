/** The engine without transports: for those who bring their own composition root. */
export { Broker, type BrokerPorts, type StatsSnapshot } from './broker.js';
export { CLOSE_CODES, closeReason, type CloseCode, type CloseReason } from './close-reason.js';
export { BROKER_ERROR_CODES, BrokerError, type BrokerErrorCode } from './errors.js';
export {
  DEFAULT_BROKER_OPTIONS,
  resolveBrokerOptions,
  type BrokerOptions,
  type DestinationOptions,
  type HeartBeatOptions,
  type LimitOptions,
  type OutboxOptions,
  type Partially,
} from './options.js';
export type * from './ports.js';
