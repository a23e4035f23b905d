/** `hoofbeat serve`: runs a server until SIGTERM or SIGINT. */
import { type Command, Option } from 'commander';
import { LOG_LEVELS } from '../config/log-level.js';
import { parsePort, parseWorkersFlag } from './argument.js';
import type { Environment } from './environment.js';
import type { ServeFlags } from './run-server.js';

const HELP = `
Environment (flags win over it, it wins over the file; an empty variable counts as not set):
  HOOFBEAT_CONFIG, HOOFBEAT_HOST, HOOFBEAT_HTTP_PORT, HOOFBEAT_TCP_PORT, HOOFBEAT_DATA, HOOFBEAT_WORKERS,
  HOOFBEAT_LOG_LEVEL, HOOFBEAT_ADMIN_PORT, HOOFBEAT_ADMIN_TOKEN (opens the admin API, role admin)

Logs go to standard error. SIGTERM and SIGINT send every session away in an orderly way (broker.shutdown)
and exit 0; a second one half a second later or more cuts who is left, and still stores what was taken.
SIGHUP reads the configuration file again, unless a terminal sends it.
Beyond loopback anonymous clients are refused unless the file says auth.anonymous: true.

Examples:
  hoofbeat serve
  hoofbeat serve --config hoofbeat.yaml --log-level debug
  hoofbeat serve --http-port 0 --tcp-port 0 --json`;

export function addServeCommand(program: Command, environment: Environment, version: string): void {
  program
    .command('serve')
    .description('run a broker: STOMP over TCP, WebSocket and SockJS')
    .option('--config <file>', 'configuration file, YAML or JSON')
    .option('--host <host>', 'address that every listener binds (default: 127.0.0.1)')
    .option('--http-port <port>', 'WebSocket and SockJS; 0 picks a free one (default: 8080)', parsePort)
    .option('--tcp-port <port>', 'STOMP over TCP; 0 picks a free one (default: 61613)', parsePort)
    .option('--admin-port <port>', 'admin API, which this opens; 0 picks a free one (default: 8081)', parsePort)
    .option('--data <directory>', 'where stored messages are kept (default: ./hoofbeat-data)')
    .addOption(new Option('--memory', 'keep everything in memory, nothing on disk').conflicts('data'))
    .option(
      '--workers <number>',
      'processes that hold the sockets, or auto (default: 1, a single process)',
      parseWorkersFlag,
    )
    .addOption(new Option('--log-level <level>', 'least important level logged').choices(LOG_LEVELS))
    .option('--json', 'print one JSON line with the addresses instead of text')
    .addHelpText('after', HELP)
    .action(async (flags: ServeFlags) => {
      const { runServer } = await import('./run-server.js');
      await runServer(flags, environment, version);
    });
}
