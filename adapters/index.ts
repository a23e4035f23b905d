/** hoofbeat: a STOMP broker with its listeners, out of one options object. */
export { createStompServer, type StompServer, type StompServerPorts } from './stomp-server.js';
export { OptionsError, type ServerOptions } from './config/index.js';
export { BrokerError, type BrokerErrorCode } from '../broker/errors.js';
export { Broker, type StatsSnapshot } from '../broker/broker.js';
export type { Authenticator, ConnectRequest, Handshake, ListenAddress, Principal } from '../broker/ports.js';
