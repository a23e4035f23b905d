/** `hoofbeat tap`: frames of a running server as they come and go. */
import { type Command, Option } from 'commander';
import { parseNumber } from '../argument.js';
import type { Environment } from '../environment.js';
import { CliError, ExitCode } from '../exit-code.js';
import { type Paint, painter, print, printable } from '../terminal.js';
import { addAdminFlags, ADMIN_HELP, AdminClient, type AdminFlags } from './admin-client.js';

interface TapFlags extends AdminFlags {
  readonly session?: string;
  readonly user?: string;
  readonly destination?: string;
  readonly command?: string;
  readonly direction?: 'in' | 'out';
  readonly body: number;
  readonly perSecond: number;
  readonly count?: number;
  readonly wait?: number;
  readonly verbose?: true;
  readonly json?: true;
}

interface FrameLine {
  readonly type: 'frame';
  readonly at: string;
  readonly direction: 'in' | 'out';
  readonly session: string;
  readonly user: string | null;
  readonly command: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly bodyBytes: number;
  readonly isCut: boolean;
}

type TapLine = FrameLine | { readonly type: 'missed'; readonly count: number } | { readonly type: 'tap' | 'idle' };

const HELP = `${ADMIN_HELP}

Frames are of the node that is asked; passcodes, tokens and cookies are masked. Frames that were too many, or came
faster than they could be shown, are counted on standard error. It slows the server down while it runs.
Ends with 0 after -c frames, on SIGINT and on SIGTERM; with 27 when -W seconds have passed.

Examples:
  hoofbeat tap --user ann
  hoofbeat tap -d '/topic/**' --command SEND -v
  hoofbeat tap --session oq3Jf8zX --json > frames.ndjson`;

export function addTapCommand(program: Command, environment: Environment): void {
  addAdminFlags(program.command('tap').description('show frames of a running server as they come and go'))
    .option('--session <id>', 'of this session')
    .option('--user <name>', 'of this user')
    .option('-d, --destination <destination>', 'with this destination; or a pattern, as /topic/**')
    .option('--command <commands>', 'e.g. SEND,MESSAGE')
    .addOption(new Option('--direction <direction>', 'in: from clients').choices(['in', 'out']))
    .option('--body <octets>', 'most that is shown of a body', (text) => parseNumber(text, 0, 16_384), 200)
    .option('--per-second <number>', 'what is more is counted instead', (text) => parseNumber(text, 1, 5_000), 200)
    .option('-c, --count <number>', 'end after that many frames', (text) => parseNumber(text, 1, 2 ** 31))
    .option('-W, --wait <seconds>', 'end with 27 after that many seconds', (text) => parseNumber(text, 1, 2_147_483))
    .addOption(new Option('--json', 'the JSON lines of the admin API').conflicts('verbose'))
    .option('-v, --verbose', 'all headers, on lines of their own')
    .addHelpText('after', HELP)
    .action((flags: TapFlags) => tap(flags, environment));
}

async function tap(flags: TapFlags, environment: Environment): Promise<void> {
  const client = await AdminClient.create(flags, environment);
  const aborting = new AbortController();
  const ending: { exitCode: ExitCode | null } = { exitCode: null };
  const end = (code: ExitCode): void => {
    ending.exitCode ??= code;
    aborting.abort();
  };
  const timer = flags.wait === undefined ? null : setTimeout(() => end(ExitCode.timeout), flags.wait * 1_000);
  const onSignal = (): void => end(ExitCode.ok);
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  process.stdout.on('error', onSignal);
  const { session, user, destination, command, direction, body: bodyBytes, perSecond, count } = flags;
  const query = { session, user, destination, command, direction, bodyBytes, perSecond, count };
  const paint = painter(environment, process.stdout);
  let left = count ?? Infinity;
  try {
    for await (const text of client.lines('/tap', query, aborting.signal)) {
      if (ending.exitCode !== null) break;
      const line = JSON.parse(text) as TapLine;
      if (line.type === 'frame') left--;
      if (flags.json === true) print([text]);
      else show(line, flags, paint);
    }
  } catch (error) {
    if (ending.exitCode === null) throw error;
  } finally {
    if (timer !== null) clearTimeout(timer);
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
  if (ending.exitCode === ExitCode.timeout) throw new CliError('', ExitCode.timeout);
  if (ending.exitCode === null && left > 0) throw new CliError(`${client.origin}: the server has ended the tap`);
}

function show(line: TapLine, flags: TapFlags, paint: Paint): void {
  switch (line.type) {
    case 'frame':
      print(frameLines(line, flags, paint));
      break;
    case 'missed':
      process.stderr.write(`${line.count} more frames were not shown\n`);
      break;
    case 'tap':
      process.stderr.write('tapping\n');
      break;
    case 'idle':
      break;
  }
}

function frameLines(frame: FrameLine, { verbose, session }: TapFlags, paint: Paint): string[] {
  const { at, direction, command, headers, body, bodyBytes, encoding, isCut } = frame;
  const isError = command === 'ERROR';
  const who = session === undefined ? `${frame.user ?? '-'} ${frame.session}` : (frame.user ?? '-');
  const named =
    headers.find(([name]) => name === 'destination')?.[1] ?? headers.find(([name]) => name !== 'version')?.[1];
  const size = bodyBytes === 0 ? '' : ` ${bodyBytes} B`;
  const shown = body === '' ? '' : ` ${encoding === 'base64' ? 'base64:' : ''}${printable(body)}${isCut ? '…' : ''}`;
  const first = [
    paint('dim', at.slice(11, 23)),
    direction === 'in' ? paint('green', '→') : paint('cyan', '←'),
    printable(who),
    paint(isError ? 'red' : 'bold', command),
    printable(named ?? ''),
  ].join(' ');
  if (verbose !== true) return [`${first}${size}${shown}`];
  return [
    `${first}${size}`,
    ...headers.map(([name, value]) => `    ${printable(name)}: ${printable(value)}`),
    ...(shown === '' ? [] : [`   ${shown}`]),
  ];
}
