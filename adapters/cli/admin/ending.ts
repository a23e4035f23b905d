/** What commands share that end sessions. */
import type { Command } from 'commander';
import { CliError } from '../exit-code.js';
import { print } from '../terminal.js';
import { addAdminFlags, type AdminFlags } from './admin-client.js';

export interface EndFlags extends AdminFlags {
  readonly reason?: string;
  readonly yes?: true;
}

export interface EndedAnswer {
  readonly disconnected: number;
  /** Nodes that did not answer. */
  readonly missing: readonly string[];
}

export function addEndFlags(command: Command): Command {
  return addAdminFlags(command)
    .option('--reason <text>', 'told to the client in an ERROR frame; without it the connection just closes')
    .option('-y, --yes', 'do not ask');
}

/** @throws CliError when nodes were silent: there it may have happened or not */
export function ended({ disconnected, missing }: EndedAnswer): void {
  print([`${disconnected} ${disconnected === 1 ? 'session' : 'sessions'} ended`]);
  if (missing.length > 0) throw new CliError(`no answer in time from ${missing.join(', ')}`);
}
