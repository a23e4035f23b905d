/**
 * What `hoofbeat serve` does about an error that nobody caught: after it nothing in this process can be relied on, so it does
 * not go on. The library leaves this to the process that embeds it.
 */
import type { Logger } from '../../broker/ports.js';

/** What was handed to the store is let finish for so long. */
const FLUSH_MS = 5_000;

interface CrashLogger extends Logger {
  fatal(fields: object, message: string): void;
}

/**
 * From now on an uncaught error, or the rejection of a promise that nobody waits for, is logged with its stack, everybody is
 * cut, what was handed to the store is let finish, and the process ends with 1: within `FLUSH_MS`, or at once when another
 * one follows.
 * @param stop cuts everybody and closes the store
 */
export function endOnUncaught(logger: CrashLogger, stop: () => Promise<void>): void {
  let isEnding = false;
  process.on('uncaughtException', (error: unknown, origin) => {
    logger.fatal({ err: error, origin }, 'uncaught error: the process ends');
    const end = (): never => process.exit(1);
    if (isEnding) end();
    isEnding = true;
    setTimeout(end, FLUSH_MS);
    stop().then(end, end);
  });
}
