/** Puts the subcommands together and turns what they throw into lines on standard error and an exit code. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package-version.js';
import { OptionsError } from '../config/options-error.js';
import type { Environment } from './environment.js';
import { CliError, ExitCode } from './exit-code.js';
import { addQueuesCommand } from './admin/queues.js';
import { addSessionsCommand } from './admin/sessions.js';
import { addTapCommand } from './admin/tap.js';
import { addUsersCommand } from './admin/users.js';
import { addBenchCommand } from './bench.js';
import { addCompletionCommand } from './completion.js';
import { addDoctorCommand } from './doctor.js';
import { addPasswdCommand } from './passwd.js';
import { addPubCommand } from './pub.js';
import { addServeCommand } from './serve.js';
import { addSubCommand } from './sub.js';

const HELP = `
Exit codes:
  0   done
  1   the server could not start, the connection failed, the broker answered ERROR, a file cannot be used, or a check of doctor failed
  2   wrong arguments
  27  sub, tap: not enough within -W seconds

Examples:
  hoofbeat serve
  hoofbeat sub -d /topic/greetings
  hoofbeat pub -d /topic/greetings -m hello`;

/** Runs one command to its end. */
export async function runCli(args: readonly string[], environment: Environment): Promise<ExitCode> {
  const program = new Command('hoofbeat')
    .description('STOMP message broker for Node.js, a client for the command line, and what looks after a running one')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(hoofbeat --help tells more)')
    .addHelpText('after', HELP)
    .exitOverride();
  addServeCommand(program, environment, packageVersion());
  addPubCommand(program, environment);
  addSubCommand(program, environment);
  addUsersCommand(program, environment);
  addSessionsCommand(program, environment);
  addQueuesCommand(program, environment);
  addTapCommand(program, environment);
  addDoctorCommand(program, environment);
  addBenchCommand(program, environment);
  addPasswdCommand(program);
  program
    .command('config-schema')
    .description('print the JSON Schema of configuration files, for editors')
    .action(async () => {
      const { serverOptionsJsonSchema } = await import('../config/options-schema.js');
      process.stdout.write(`${JSON.stringify(serverOptionsJsonSchema(), null, 2)}\n`);
    });
  addCompletionCommand(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return ExitCode.ok;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): ExitCode {
  // Commander has said its piece already, help and version included.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (error instanceof CliError || error instanceof OptionsError) {
    if (error.message !== '') process.stderr.write(`${error.message}\n`);
    return error instanceof CliError ? error.exitCode : ExitCode.failure;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return ExitCode.failure;
}
