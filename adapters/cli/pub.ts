/** `hoofbeat pub`: sends messages, like mosquitto_pub. */
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { isUtf8 } from 'node:buffer';
import { type Command, Option } from 'commander';
import { collectHeader } from './argument.js';
import { addClientFlags, connectClient, failing, readFileOrFail, URL_HELP, type ClientFlags } from './client-flags.js';
import { CliError, ExitCode } from './exit-code.js';
import type { Environment } from './environment.js';
import type { StompClient } from './stomp-client.js';

interface PubFlags extends ClientFlags {
  readonly destination: string;
  readonly message?: string;
  readonly file?: string;
  readonly stdin?: true;
  readonly lines?: true;
  readonly header?: [string, string][];
  readonly contentType?: string;
  readonly receipt: boolean;
}

/** Lines under way without a RECEIPT: enough to keep the pipe full, few enough to hold in memory. */
const MAX_PENDING_RECEIPTS = 256;

const HELP = `${URL_HELP}

Exits 0 only after the broker has confirmed every message with a RECEIPT, unless --no-receipt.

Examples:
  hoofbeat pub -d /topic/greetings -m hello
  hoofbeat pub -d /queue/orders -H persistent:true -H priority:9 --content-type application/json -f order.json
  tail -f app.log | hoofbeat pub -u ws://127.0.0.1:8080/ws -d /topic/log -l`;

export function addPubCommand(program: Command, environment: Environment): void {
  const sources = ['message', 'file', 'stdin', 'lines'];
  const source = (flag: string, description: string, name: string): Option =>
    new Option(flag, description).conflicts(sources.filter((other) => other !== name));
  addClientFlags(program.command('pub').description('send messages to a destination'))
    .requiredOption('-d, --destination <destination>', 'where to, e.g. /topic/greetings')
    .addOption(source('-m, --message <text>', 'body', 'message'))
    .addOption(source('-f, --file <file>', 'body from a file', 'file'))
    .addOption(source('-s, --stdin', 'body: standard input as a whole', 'stdin'))
    .addOption(source('-l, --lines', 'a message for each line of standard input', 'lines'))
    .option('-H, --header <name:value>', 'a header of SEND; may be repeated', collectHeader)
    .option('--content-type <type>', 'media type of the body')
    .option('--receipt', 'wait for the RECEIPT of each message', true)
    .option('--no-receipt', 'do not wait')
    .addHelpText('after', HELP)
    .action((flags: PubFlags) => pub(flags, environment));
}

async function pub(flags: PubFlags, environment: Environment): Promise<void> {
  const body = flags.lines === true ? null : await readBody(flags);
  const headers: [string, string][] = [
    ['destination', flags.destination],
    ...(flags.contentType === undefined ? [] : [['content-type', flags.contentType] as [string, string]]),
    ...(flags.header ?? []),
  ];
  const isSockJs = flags.url.protocol.startsWith('http');
  if (isSockJs && body !== null && !isUtf8(body)) throw new CliError('SockJS carries text only: the body is not UTF-8');
  const client = await connectClient(flags, environment);
  await failing(async () => {
    if (body === null) await sendLines(client, headers, flags.receipt);
    else await client.send(headers, body, flags.receipt);
    await client.disconnect();
  });
}

async function readBody(flags: PubFlags): Promise<Buffer> {
  if (flags.message !== undefined) return Buffer.from(flags.message);
  if (flags.file !== undefined) return readFileOrFail(flags.file);
  if (flags.stdin === true) return buffer(process.stdin);
  throw new CliError('error: one of -m, -f, -s and -l is needed', ExitCode.usage);
}

async function sendLines(client: StompClient, headers: [string, string][], receipt: boolean): Promise<void> {
  const pending = new Set<Promise<void>>();
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const sent = client.send(headers, Buffer.from(line), receipt).finally(() => pending.delete(sent));
    // A fault is met below; until then nobody may be listening.
    sent.catch(() => undefined);
    pending.add(sent);
    if (pending.size >= MAX_PENDING_RECEIPTS) await Promise.race(pending);
  }
  await Promise.all(pending);
}
