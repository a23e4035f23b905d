/** `workers`: how many processes hold the sockets of one server. */
import { availableParallelism } from 'node:os';
import { OptionsError } from './options-error.js';

export type WorkersOption = number | 'auto';

/** A machine with more processors than this has the broker's own process as its bound long before. */
export const MAX_WORKERS = 64;

export const WORKERS_WANTED = `"auto" or a number from 1 to ${MAX_WORKERS}`;

/** As in the environment and on the command line; null when it is neither. */
export function parseWorkers(text: string): WorkersOption | null {
  if (text === 'auto') return text;
  const workers = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return workers >= 1 && workers <= MAX_WORKERS ? workers : null;
}

/** `auto`: one for each processor that the process may use but one, which the broker's own process takes; at least 1. */
export function resolveWorkers(given: WorkersOption = 1, processors = availableParallelism()): number {
  return given === 'auto' ? Math.min(Math.max(1, processors - 1), MAX_WORKERS) : given;
}

/** @throws OptionsError for a broker that lives in an application's process */
export function requireOneProcess({ workers = 1 }: { readonly workers?: WorkersOption | undefined }): void {
  if (workers === 1) return;
  throw new OptionsError([
    `workers: got ${JSON.stringify(workers)}, wants 1 for a broker inside an application: worker processes are for hoofbeat serve`,
  ]);
}
