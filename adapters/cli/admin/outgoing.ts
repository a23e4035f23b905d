/** What commands share that send over the admin API. */
import { isUtf8 } from 'node:buffer';
import { type Command, Option } from 'commander';
import { collectHeader } from '../argument.js';
import { readFileOrFail } from '../client-flags.js';
import { CliError, ExitCode } from '../exit-code.js';
import { addAdminFlags, type AdminFlags } from './admin-client.js';

export interface OutgoingFlags extends AdminFlags {
  readonly destination: string;
  readonly message?: string;
  readonly file?: string;
  readonly header?: [string, string][];
}

export function addOutgoingFlags(command: Command): Command {
  return addAdminFlags(command)
    .requiredOption('-d, --destination <destination>', 'behind the user, e.g. /queue/notices')
    .addOption(new Option('-m, --message <text>', 'body').conflicts('file'))
    .option('-f, --file <file>', 'body from a file')
    .option('-H, --header <name:value>', 'a header of the message; may be repeated', collectHeader);
}

/** As the API takes it. @throws CliError */
export async function outgoingOf({ destination, message, file, header = [] }: OutgoingFlags): Promise<object> {
  if (message === undefined && file === undefined) {
    throw new CliError('error: one of -m and -f is needed', ExitCode.usage);
  }
  const octets = file === undefined ? Buffer.from(message ?? '') : await readFileOrFail(file);
  const body = isUtf8(octets) ? { body: octets.toString() } : { base64: octets.toString('base64') };
  return { destination, ...body, headers: Object.fromEntries(header) };
}
