/** `hoofbeat doctor`: looks for what is wrong with a server, or between it and its clients. */
import { type Command, InvalidArgumentError } from 'commander';
import { ADMIN_HELP, addAdminFlags } from './admin/admin-client.js';
import { parseNumber } from './argument.js';
import { parseUrl } from './client-flags.js';
import type { DoctorFlags } from './doctor/run-doctor.js';
import type { Environment } from './environment.js';

const HELP = `${ADMIN_HELP}

Without -u: the configuration of this machine (--config, HOOFBEAT_…), whether its ports are free or who answers there,
the store, Redis, and a message there and back over each way in. With -u: a server through its public URL, as clients
see it, the proxies in between included; http(s):// tries WebSocket and SockJS. Each check is one line: ok, warn, fail
or skip, and behind the arrow what to do. Exits 1 when a check has failed; warnings alone are 0.

Examples:
  hoofbeat doctor --config hoofbeat.yaml
  hoofbeat doctor -u https://shop.example/ws --login ann --idle 90`;

export function addDoctorCommand(program: Command, environment: Environment): void {
  addAdminFlags(
    program.command('doctor').description('find what is wrong with a server, or between it and its clients'),
  )
    .option('--config <file>', 'configuration file of the server')
    .option('-u, --url <url>', 'public URL of the server; may be repeated', collectUrl)
    .option('--login <login>', 'user name')
    .option('--passcode <passcode>', 'password; better in HOOFBEAT_PASSCODE')
    .option('--host-header <name>', 'virtual host named in CONNECT')
    .option('--cafile <file>', 'PEM file of certificates to trust instead of the well-known ones')
    .option('-d, --destination <destination>', 'a topic to send to and receive from (default: one of its own)')
    .option(
      '--idle <seconds>',
      'how long to stay silent, to find proxies that cut',
      (text) => parseNumber(text, 0, 3_600),
      0,
    )
    .option('--json', 'a JSON object for each check')
    .addHelpText('after', HELP)
    .action(async (flags: DoctorFlags) => {
      const { runDoctor } = await import('./doctor/run-doctor.js');
      await runDoctor(flags, environment);
    });
}

/** @throws InvalidArgumentError */
function collectUrl(text: string, before: readonly URL[] = []): URL[] {
  if (text === '') throw new InvalidArgumentError('wants a URL');
  return [...before, parseUrl(text)];
}
