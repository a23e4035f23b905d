/** The admin API: looking after a running server over HTTP. */
export { ADMIN_ROLES, AdminAccess, type AdminRole, type AdminToken, type VerifyToken } from './admin-access.js';
export type {
  AdjustableLogger,
  AdministeredServer,
  AdminParts,
  ConfigurationChange,
  ConsolePorts,
  EventLoopDelay,
  ReloadResult,
  ServedEndpoint,
} from './admin-parts.js';
export { type AdminPluginOptions, registerAdmin } from './admin-plugin.js';
export { API_PREFIX } from './api-prefix.js';
export { AdminServer, type AdminServerOptions } from './admin-server.js';
export { type AuditEntry, AuditLog } from './audit-log.js';
export {
  mergeWebSocket,
  SpecificationClash,
  type WebSocketDescription,
  type WebSocketEvent,
} from './documents/websocket-extension.js';
export { OutboxWatch } from './outbox-watch.js';
export { PageReader } from './paging/page-reader.js';
export { PROBLEM_CODES, type ProblemBody, type ProblemCode } from './problem.js';
