/**
 * The SQLite tables of the connection log, as numbered migrations: the number of the last one is the file's
 * `user_version`. Migrations are added, never changed. Columns are documented in DESIGN.md.
 */

/** Tells our files from other SQLite databases: "hbCL". */
export const APPLICATION_ID = 0x6862434c;

/**
 * STRICT, with `user_id` of any type: an affinity would turn the user "007" into 7. The unique index stands for a UNIQUE
 * of the column, which would make a second index beside the one that is wanted by name.
 */
const CREATE = `
CREATE TABLE websocket_connections (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  connection_id   TEXT NOT NULL CHECK (length(connection_id) <= 255),
  user_id         ANY,
  session_id      TEXT NOT NULL CHECK (length(session_id) <= 255),
  connected_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  disconnected_at TEXT,
  last_active_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  user_agent      TEXT,
  ip_address      TEXT CHECK (length(ip_address) <= 45),
  status          TEXT NOT NULL DEFAULT 'CONNECTED' CHECK (status IN ('CONNECTED', 'DISCONNECTED', 'ERROR'))
) STRICT;
CREATE UNIQUE INDEX idx_ws_connections_connection_id ON websocket_connections (connection_id);
CREATE INDEX idx_ws_connections_user_id ON websocket_connections (user_id);
CREATE INDEX idx_ws_connections_status ON websocket_connections (status);
`;

export const MIGRATIONS: readonly string[] = [CREATE];
