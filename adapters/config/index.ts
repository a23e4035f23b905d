/** Options of a server and the file they are read from. */
export {
  type AdminOptions,
  type AdminRoleName,
  type AdminTokenOptions,
  DEFAULT_ADMIN_OPTIONS,
  MIN_TOKEN_LENGTH,
  type ResolvedAdminOptions,
} from './admin-options.js';
export {
  type AuthOptions,
  type CsrfFileOptions,
  DEFAULT_AUTH_OPTIONS,
  type JwtOptions,
  type ResolvedAuthOptions,
  type ResolvedJwtOptions,
  type RuleOptions,
  type TrustedHeaderOptions,
  type UserOptions,
} from './auth-options.js';
export {
  type ConnectionLogOptions,
  DEFAULT_CONNECTION_LOG_OPTIONS,
  type ResolvedConnectionLogOptions,
} from './connection-log-options.js';
export {
  DEFAULT_REDIS_RELAY_OPTIONS,
  DEFAULT_RELAY_OPTIONS,
  type RedisRelayFileOptions,
  type RelayOptions,
  type RelayReconnectOptions,
  type RelayTlsOptions,
  type ResolvedRedisRelayOptions,
  type ResolvedRelayOptions,
  type ResolvedStompRelayOptions,
  type StompRelayFileOptions,
} from './relay-options.js';
export {
  DEFAULT_JSON_ENDPOINT_OPTIONS,
  type JsonMessageFileOptions,
  type JsonPartOptions,
} from './json-endpoint-options.js';
export { parseConfig, readConfigFile } from './config-file.js';
export { LOG_LEVELS, type LogLevel } from './log-level.js';
export { OptionsError } from './options-error.js';
export { serverOptionsJsonSchema } from './options-schema.js';
export { MAX_WORKERS, requireOneProcess, resolveWorkers, type WorkersOption } from './workers-option.js';
export {
  DEFAULT_SERVER_OPTIONS,
  type HttpEndpointOptions,
  type HttpOptions,
  isLoopback,
  type JsonEndpointOptions,
  type LogOptions,
  type ResolvedEndpoint,
  type ResolvedHttpOptions,
  type ResolvedJsonEndpoint,
  type ResolvedServerOptions,
  type ResolvedTcpOptions,
  resolveServerOptions,
  type ServerOptions,
  type SockJsFileOptions,
  type TcpOptions,
} from './server-options.js';
export type { TlsFileOptions } from './tls-options.js';
