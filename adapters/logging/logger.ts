/** pino set up for a server: lines for people on a terminal, JSON elsewhere, secrets never. */
import { createRequire } from 'node:module';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type * as Pretty from 'pino-pretty';

export interface LoggerOptions {
  /** Least important level that is written; `silent` writes nothing. */
  readonly level: string;
  /** Lines for people when the log goes to a terminal. */
  readonly pretty: boolean;
}

/** What a server logs to: pino's own type, since Fastify needs all of it. */
export type ServerLogger = PinoLogger;

const SECRETS = ['passcode', 'password', 'authorization', 'token', 'cookie'];
/** pino's redaction has no "at any depth"; nothing in this program logs secrets deeper than this, nor means to log any. */
const DEPTH = ['', '*.', '*.*.'];

/**
 * Creates a logger that writes to standard error, so that standard output stays free for what a command prints.
 * @param destination where to write instead, always as JSON
 */
export function createLogger(options: LoggerOptions, destination?: DestinationStream): ServerLogger {
  const settings = {
    level: options.level,
    base: null,
    redact: { paths: DEPTH.flatMap((depth) => SECRETS.map((secret) => depth + secret)), censor: '***' },
  };
  return pino(settings, destination ?? standardError(options.pretty));
}

/** Synchronous: the last lines before an exit are the ones that matter. */
function standardError(pretty: boolean): DestinationStream {
  const terminal = process.stderr.isTTY;
  if (!pretty || !terminal) return pino.destination({ fd: 2, sync: true });
  // Loaded for people alone: a service has no terminal, and starts sooner without it.
  const { PinoPretty } = createRequire(import.meta.url)('pino-pretty') as typeof Pretty;
  return PinoPretty({ destination: 2, sync: true, colorize: true, translateTime: 'SYS:HH:MM:ss.l' });
}
