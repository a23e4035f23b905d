/** `hoofbeat passwd`: puts one account into a password file, for `auth.passwordFile`. */
import type { Command } from 'commander';
import type { PasswdFlags } from './set-passcode.js';

const HELP = `
The passcode is asked for on a terminal, and otherwise read from standard input without the line's end; it is never an
argument, which other users of the machine could read. The file keeps its other lines; a running server reads it again.
Without --roles an account keeps the roles that it has.

Examples:
  hoofbeat passwd users.txt ann --roles admin,audit
  generate-passcode | hoofbeat passwd users.txt worker`;

export function addPasswdCommand(program: Command): void {
  program
    .command('passwd')
    .description('set the passcode of an account in a password file')
    .argument('<file>', 'made when it is not there, readable for its owner only')
    .argument('<login>', 'name of the account')
    .option('--roles <roles>', 'roles of the account, separated by commas')
    .addHelpText('after', HELP)
    .action(async (file: string, login: string, flags: PasswdFlags) => {
      const { setPasscode } = await import('./set-passcode.js');
      await setPasscode(file, login, flags);
    });
}
