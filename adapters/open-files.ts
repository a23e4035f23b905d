/** The system's bound on open files (`ulimit -n`), and what it leaves for sockets. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Logger } from '../broker/ports.js';
import { SocketBudget } from './transports/index.js';

/** For what is opened later: the store's next file, password files, connections to Redis, requests to the admin API. */
const SPARE_FILES = 64;
const PROCESS = '/proc/self';

/** Of this process; Node has raised it to what the system lets it. Null where the system does not tell. */
export function maxOpenFiles(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync(`${PROCESS}/limits`, 'latin1')) ?? [];
    return soft === undefined || soft === 'unlimited' ? null : Number(soft);
  } catch {
    return null;
  }
}

/** Sockets that a process may open beside what it has open already, where `limit` files are allowed. */
export function socketsWithin(limit: number, openFiles: number): number {
  const free = Math.max(0, limit - openFiles);
  return Math.max(1, free - Math.min(SPARE_FILES, Math.ceil(free / 2)));
}

/**
 * For the listeners of this process: what begins to be refused, and that it is over, is a line in the log each.
 * @param report told the same: one line, or null when it is over
 * @returns null where no bound is known
 */
export function watchedSocketBudget(
  logger: Logger,
  report: (shortage: string | null) => void = () => undefined,
): SocketBudget | null {
  const maxFiles = maxOpenFiles();
  if (maxFiles === null) return null;
  const max = socketsWithin(maxFiles, readdirSync(`${PROCESS}/fd`).length);
  return new SocketBudget(max, (isFull) => {
    const fields = { maxSockets: max, maxFiles };
    if (isFull) logger.error(fields, 'open files are used up: connections are closed at once');
    else logger.info(fields, 'there are open files again: connections are let in');
    report(isFull ? `all ${max} sockets that ${maxFiles} open files (ulimit -n) leave are in use` : null);
  });
}
