/** A logger that keeps what it is told, for tests that look at it. */
import type { Logger } from '../../broker/ports.js';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** @param lines what every line is appended to, whatever its level */
export function recordingLogger(lines: LogLine[], level = 'info'): Logger {
  const record = (line: string) => (fields: object, message: string) => {
    lines.push({ level: line, message, fields: fields as Record<string, unknown> });
  };
  return { level, debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
}
