/** The connection log: sessions recorded in a table, in SQLite, in memory, or wherever an application wants it. */
export type { ConnectionLog, ConnectionLogStatistics } from './connection-log.js';
export {
  CONNECTION_STATUSES,
  type ConnectionChange,
  type ConnectionEnd,
  type ConnectionEntry,
  type ConnectionQuery,
  type ConnectionRecord,
  type ConnectionStatistics,
  type ConnectionStatus,
  type UserConnections,
} from './connection-record.js';
export {
  type ConnectionSink,
  type PruneLimits,
  type ResolvedConnectionQuery,
  UnusableSinkError,
} from './connection-sink.js';
export { MemoryConnectionSink } from './memory-connection-sink.js';
export { SessionRecorder, type SessionRecorderOptions, type SessionRecorderPorts } from './session-recorder.js';
export { SqliteConnectionSink } from './sqlite-connection-sink.js';
