/** `hoofbeat queues`: what they hold; looks into them, empties and moves them. */
import type { Command } from 'commander';
import { parseNumber } from '../argument.js';
import type { Environment } from '../environment.js';
import { CliError } from '../exit-code.js';
import { confirm, print } from '../terminal.js';
import { addAdminFlags, ADMIN_HELP, AdminClient, type AdminFlags } from './admin-client.js';
import { addListFlags, type ListFlags, printList, printRecord } from './listing.js';

interface Queue {
  readonly destination: string;
  readonly depth: number;
  readonly bytes: number;
  readonly delayed: number;
  readonly unsettled: number;
  readonly consumers: number;
  readonly deadLetter: string | null;
}

interface QueueMessage {
  readonly number: number;
  readonly messageId: string;
  readonly priority: number;
  readonly deliveries: number;
  readonly body: string;
  readonly bodyBytes: number;
}

interface MoveFlags extends AdminFlags {
  readonly to?: string;
  readonly number?: number[];
  readonly limit?: number;
  readonly yes?: true;
}

interface Moved {
  readonly moved: number;
  readonly skipped: number;
  readonly stoppedBy: { readonly code: string; readonly message: string } | null;
}

const HELP = `${ADMIN_HELP}

Examples:
  hoofbeat queues --sort=-depth
  hoofbeat queues browse /queue/DLQ -n 5
  hoofbeat queues move /queue/DLQ --yes           dead letters go back to where they came from
  hoofbeat queues move /queue/jobs --to /queue/later -n 100
  hoofbeat queues purge /queue/jobs`;
const SHOWN_CHARACTERS = 60;
const PAGE_OF_MESSAGES = 200;

export function addQueuesCommand(program: Command, environment: Environment): void {
  const queues = program.command('queues').description('what queues hold; look into, empty and move them');
  queues.addHelpText('after', HELP);
  addList(queues, environment);
  addBrowse(queues, environment);
  addAdminFlags(queues.command('show').description('one queue').argument('<queue>'))
    .option('--json', 'as JSON')
    .action(async (queue: string, flags: AdminFlags & { readonly json?: true }) => {
      const client = await AdminClient.create(flags, environment);
      printRecord(await client.get(pathOf(queue)), flags.json === true);
    });
  addAdminFlags(
    queues
      .command('purge')
      .description('drop everything that waits; what consumers have stays theirs')
      .argument('<queue>'),
  )
    .option('-y, --yes', 'do not ask')
    .action(async (queue: string, flags: AdminFlags & { readonly yes?: true }) => {
      const client = await AdminClient.create(flags, environment);
      const { depth } = await client.get<Queue>(pathOf(queue));
      await confirm(`Drop ${depth} messages of ${queue}?`, flags.yes === true);
      const { purged } = await client.request<{ purged: number }>('DELETE', `${pathOf(queue)}/messages`);
      print([`${purged} dropped`]);
    });
  addAdminFlags(
    queues
      .command('delete')
      .description('drop one message that waits')
      .argument('<queue>')
      .argument('<number>', 'as `queues browse` shows it', (text) => parseNumber(text, 1, Number.MAX_SAFE_INTEGER)),
  ).action(async (queue: string, number: number, flags: AdminFlags) => {
    const client = await AdminClient.create(flags, environment);
    await client.request('DELETE', `${pathOf(queue)}/messages/${number}`);
    print(['1 dropped']);
  });
  addMove(queues, environment);
}

function addList(queues: Command, environment: Environment): void {
  const orders = ['destination', 'depth', 'bytes', 'consumers', 'unsettled'];
  addListFlags(queues.command('list', { isDefault: true }).description('queues with what they hold'), orders)
    .option('--prefix <text>', 'names that begin with this')
    .action((flags: ListFlags & { readonly prefix?: string }) =>
      printList<Queue>(flags, environment, {
        path: '/queues',
        query: { prefix: flags.prefix },
        noun: 'queues',
        columns: [
          { title: 'QUEUE', of: ({ destination }) => destination },
          { title: 'DEPTH', of: ({ depth }) => depth },
          { title: 'BYTES', of: ({ bytes }) => bytes },
          { title: 'DELAYED', of: ({ delayed }) => delayed },
          { title: 'UNSETTLED', of: ({ unsettled }) => unsettled },
          { title: 'CONSUMERS', of: ({ consumers }) => consumers },
          { title: 'DEAD LETTERS TO', of: ({ deadLetter }) => deadLetter ?? '-' },
        ],
      }),
    );
}

function addBrowse(queues: Command, environment: Environment): void {
  addListFlags(
    queues.command('browse').description('what waits, in the order of delivery; nothing is taken').argument('<queue>'),
  ).action(async (queue: string, flags: ListFlags) => {
    if (flags.limit === 0 || flags.limit > PAGE_OF_MESSAGES) {
      throw new CliError(`wants -n from 1 to ${PAGE_OF_MESSAGES}: browsing is for looking, not for fetching`);
    }
    await printList<QueueMessage>(flags, environment, {
      path: `${pathOf(queue)}/messages`,
      query: {},
      noun: 'messages',
      columns: [
        { title: 'NUMBER', of: ({ number }) => number },
        { title: 'MESSAGE-ID', of: ({ messageId }) => messageId },
        { title: 'PRIORITY', of: ({ priority }) => priority },
        { title: 'DELIVERIES', of: ({ deliveries }) => deliveries },
        { title: 'BYTES', of: ({ bodyBytes }) => bodyBytes },
        { title: 'BODY', of: ({ body }) => body.slice(0, SHOWN_CHARACTERS) },
      ],
    });
  });
}

function addMove(queues: Command, environment: Environment): void {
  const numbers = (text: string, before: number[] = []): number[] => [
    ...before,
    parseNumber(text, 1, Number.MAX_SAFE_INTEGER),
  ];
  addAdminFlags(
    queues
      .command('move')
      .description('move what waits, or dead letters back to where they come from')
      .argument('<queue>'),
  )
    .option('--to <destination>', 'default: each dead letter to its original-destination')
    .option('--number <number>', 'only this message; may be repeated', numbers)
    .option('-n, --limit <number>', 'most that are moved', (text) => parseNumber(text, 1, 2 ** 31))
    .option('-y, --yes', 'do not ask')
    .action(async (queue: string, flags: MoveFlags) => {
      const { to: target, number, limit, yes } = flags;
      const client = await AdminClient.create(flags, environment);
      const { depth } = await client.get<Queue>(pathOf(queue));
      const many = Math.min(number?.length ?? Infinity, limit ?? Infinity, depth);
      await confirm(`Move ${many} messages of ${queue} to ${target ?? 'where they come from'}?`, yes === true);
      const path = `${pathOf(queue)}/move`;
      const { moved, skipped, stoppedBy } = await client.request<Moved>(
        'POST',
        path,
        {},
        { target, numbers: number, limit },
      );
      print([`${moved} moved${skipped === 0 ? '' : `, ${skipped} left: nothing says where they belong`}`]);
      if (stoppedBy !== null) throw new CliError(`stopped: ${stoppedBy.message} (${stoppedBy.code})`);
    });
}

function pathOf(queue: string): string {
  return `/queues/${encodeURIComponent(queue)}`;
}
