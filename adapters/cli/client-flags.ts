/** The flags that `pub` and `sub` share: where to connect, and as whom. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { parseNumber } from './argument.js';
import { SCHEMES } from './client-connection.js';
import { CliError } from './exit-code.js';
import { readVariable, type Environment } from './environment.js';
import { StompClient, type StompClientOptions } from './stomp-client.js';

export interface ClientFlags {
  readonly url: URL;
  readonly login?: string;
  readonly passcode?: string;
  readonly hostHeader?: string;
  readonly cafile?: string;
  readonly timeout: number;
}

const DEFAULT_URL = 'tcp://127.0.0.1:61613';
const DEFAULT_TIMEOUT_SECONDS = 10;

export const URL_HELP = `
URLs: tcp://host:61613 (or stomp://), tls://host:61614 (or stomp+ssl://), ws://host:port/path, wss://…, and
http://host:port/path or https://… for SockJS. HOOFBEAT_LOGIN and HOOFBEAT_PASSCODE stand for --login and --passcode,
which other users of the machine can see.`;

export function addClientFlags(command: Command): Command {
  return command
    .option('-u, --url <url>', 'server', parseUrl, new URL(DEFAULT_URL))
    .option('--login <login>', 'user name')
    .option('--passcode <passcode>', 'password')
    .option('--host-header <name>', 'virtual host named in CONNECT (default: the host of the URL)')
    .option('--cafile <file>', 'PEM file of certificates to trust instead of the well-known ones')
    .option(
      '--timeout <seconds>',
      'how long to wait for CONNECTED and for each RECEIPT',
      (text) => parseNumber(text, 1, 86_400),
      DEFAULT_TIMEOUT_SECONDS,
    );
}

/** Connects as the flags say. @throws CliError */
export async function connectClient(
  flags: ClientFlags,
  environment: Environment,
  more: Pick<StompClientOptions, 'onMessage' | 'signal'> = {},
): Promise<StompClient> {
  const { url, hostHeader, timeout } = flags;
  const ca = flags.cafile === undefined ? undefined : await readFileOrFail(flags.cafile);
  const login = flags.login ?? (decodeURIComponent(url.username) || readVariable(environment, 'HOOFBEAT_LOGIN'));
  const passcode =
    flags.passcode ?? (decodeURIComponent(url.password) || readVariable(environment, 'HOOFBEAT_PASSCODE'));
  return failing(() =>
    StompClient.connect({
      url,
      hostHeader,
      login,
      passcode,
      ca,
      timeoutMs: timeout * 1000,
      ...more,
    }),
  );
}

/** Faults of the client are told without a stack. */
export async function failing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof CliError ? error : new CliError((error as Error).message);
  }
}

/** @throws CliError */
export async function readFileOrFail(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError(`${file}: cannot be read (${String((error as NodeJS.ErrnoException).code)})`);
  }
}

/** @throws InvalidArgumentError */
export function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && url.hostname !== '' && (SCHEMES as readonly string[]).includes(url.protocol)) return url;
  throw new InvalidArgumentError('wants tcp://, tls://, ws://, wss://, http:// or https:// and a host');
}
