/** `hoofbeat sub`: prints messages, like mosquitto_sub. */
import { isUtf8 } from 'node:buffer';
import { type Command, Option } from 'commander';
import type { Frame } from '../../protocol/index.js';
import { collect, collectHeader, parseNumber } from './argument.js';
import { addClientFlags, connectClient, failing, URL_HELP, type ClientFlags } from './client-flags.js';
import { CliError, ExitCode } from './exit-code.js';
import type { Environment } from './environment.js';
import type { StompClient } from './stomp-client.js';

interface SubFlags extends ClientFlags {
  readonly destination: string[];
  readonly count?: number;
  readonly wait?: number;
  readonly json?: true;
  readonly verbose?: true;
  readonly ack: 'auto' | 'client' | 'client-individual';
  readonly id?: string;
  readonly header?: [string, string][];
}

const HELP = `${URL_HELP}

Prints each body and a line end; with --ack client or client-individual each message is acknowledged once printed.
Ends with 0 after -c messages, on SIGINT and on SIGTERM; with 27 when -W seconds have passed.

Examples:
  hoofbeat sub -d /topic/greetings
  hoofbeat sub -u http://127.0.0.1:8080/ws -d '/topic/**' -v
  hoofbeat sub -d /queue/orders --ack client-individual -c 1 -W 5 --json`;

export function addSubCommand(program: Command, environment: Environment): void {
  addClientFlags(program.command('sub').description('print messages of destinations'))
    .requiredOption('-d, --destination <destination>', 'what to subscribe to; may be repeated', collect)
    .option('-c, --count <number>', 'end after that many messages', (text) => parseNumber(text, 1, 2 ** 31))
    .option('-W, --wait <seconds>', 'end with 27 after that many seconds', (text) => parseNumber(text, 1, 2_147_483))
    .addOption(
      new Option('--json', 'a JSON line each: {destination, headers, body}, or bodyBase64 when not UTF-8').conflicts(
        'verbose',
      ),
    )
    .option('-v, --verbose', 'print the destination before the body')
    .addOption(new Option('--ack <mode>', 'ack mode').choices(['auto', 'client', 'client-individual']).default('auto'))
    .option('--id <id>', 'id of the subscription; of several, the first part of each id', 'sub')
    .option('-H, --header <name:value>', 'a header of SUBSCRIBE; may be repeated', collectHeader)
    .addHelpText('after', HELP)
    .action((flags: SubFlags) => sub(flags, environment));
}

async function sub(flags: SubFlags, environment: Environment): Promise<void> {
  const run = new Subscriber(flags);
  const dialling = new AbortController();
  // Before connecting: a server that does not answer is no reason to wait longer than asked.
  const timer = flags.wait === undefined ? null : setTimeout(() => run.end(ExitCode.timeout), flags.wait * 1000);
  const onSignal = (): void => run.end(ExitCode.ok);
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  process.stdout.on('error', onSignal);
  try {
    const signal = dialling.signal;
    const connecting = connectClient(flags, environment, { onMessage: (frame) => run.onMessage(frame), signal });
    const client = await Promise.race([connecting, run.ended.then(() => null)]);
    if (client !== null) await failing(() => run.run(client));
    run.finish();
  } finally {
    dialling.abort();
    if (timer !== null) clearTimeout(timer);
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
}

class Subscriber {
  readonly ended: Promise<void>;
  readonly #flags: SubFlags;
  #client: StompClient | null = null;
  #resolve: () => void = () => undefined;
  #exitCode: ExitCode | null = null;
  #printed = 0;

  constructor(flags: SubFlags) {
    this.#flags = flags;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  end(exitCode: ExitCode): void {
    this.#exitCode ??= exitCode;
    this.#resolve();
  }

  /** @throws CliError when time ran out */
  finish(): void {
    const exitCode = this.#exitCode ?? ExitCode.ok;
    if (exitCode !== ExitCode.ok) throw new CliError('', exitCode);
  }

  async run(client: StompClient): Promise<void> {
    this.#client = client;
    const { destination, ack, id, header = [] } = this.#flags;
    const subscribed = destination.map((each, index) =>
      client.subscribe([
        ['id', destination.length === 1 ? (id ?? 'sub') : `${id ?? 'sub'}-${index}`],
        ['destination', each],
        ['ack', ack],
        ...header,
      ]),
    );
    await Promise.race([Promise.all(subscribed), this.ended]);
    await Promise.race([this.ended, client.closed]);
    // In time: a server that hangs must not hold up the end that was asked for.
    await client.disconnect().catch(() => {
      client.destroy();
    });
  }

  onMessage(frame: Frame): void {
    if (this.#exitCode !== null) return;
    this.#print(frame);
    if (this.#flags.ack !== 'auto') this.#client?.ack(frame);
    this.#printed++;
    if (this.#printed === this.#flags.count) this.end(ExitCode.ok);
  }

  #print(frame: Frame): void {
    const destination = frame.headers.get('destination') ?? '';
    if (this.#flags.json === true) {
      const headers = Object.fromEntries(frame.headers.toMap());
      const body = isUtf8(frame.body) ? { body: frame.body.toString() } : { bodyBase64: frame.body.toString('base64') };
      process.stdout.write(`${JSON.stringify({ destination, headers, ...body })}\n`);
      return;
    }
    const before = this.#flags.verbose === true ? `${destination} ` : '';
    process.stdout.write(Buffer.concat([Buffer.from(before), frame.body, Buffer.from('\n')]));
  }
}
