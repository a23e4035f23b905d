/** `hoofbeat sessions`: connections and what they are subscribed to; ends them. */
import { type Command, Option } from 'commander';
import { parseNumber } from '../argument.js';
import type { Environment } from '../environment.js';
import { CliError } from '../exit-code.js';
import { confirm, duration, print } from '../terminal.js';
import { addAdminFlags, ADMIN_HELP, AdminClient, type AdminFlags } from './admin-client.js';
import { addEndFlags, type EndFlags, ended, type EndedAnswer } from './ending.js';
import { addListFlags, type ListFlags, printList, printRecord } from './listing.js';

interface Session {
  readonly id: string;
  readonly user: string | null;
  readonly transport: string;
  readonly remoteAddress: string;
  readonly state: string;
  readonly version: string;
  readonly connectedAt: string;
  readonly silentForMs: number;
  readonly queuedBytes: number;
  readonly subscriptions: number;
}

interface SubscriptionItem {
  readonly sessionId: string;
  readonly number: number;
  readonly id: string | null;
  readonly destination: string;
  readonly user: string | null;
  readonly ack: string;
  readonly pending: number;
}

type SessionFlags = ListFlags & {
  readonly user?: string;
  readonly transport?: string;
  readonly state?: string;
  readonly address?: string;
};
type SubscriptionFlags = ListFlags & {
  readonly user?: string;
  readonly session?: string;
  readonly destination?: string;
  readonly prefix?: string;
};

const STATES = ['awaiting-connect', 'authenticating', 'connected', 'closing', 'closed'];
const HELP = `${ADMIN_HELP}

Examples:
  hoofbeat sessions --sort=-queuedBytes -n 10
  hoofbeat sessions --user ann --json
  hoofbeat sessions subscriptions --prefix /topic/
  hoofbeat sessions disconnect oq3Jf8zX --yes`;

export function addSessionsCommand(program: Command, environment: Environment): void {
  const sessions = program.command('sessions').description('connections and their subscriptions; end them');
  sessions.addHelpText('after', HELP);
  addList(sessions, environment);
  addSubscriptions(sessions, environment);
  addAdminFlags(sessions.command('show').description('one session').argument('<session>'))
    .option('--json', 'as JSON')
    .action(async (id: string, flags: AdminFlags & { readonly json?: true }) => {
      const client = await AdminClient.create(flags, environment);
      printRecord(await client.get(`/sessions/${encodeURIComponent(id)}`), flags.json === true);
    });
  addEndFlags(
    sessions.command('disconnect').description('end a session, on whatever node').argument('<session>'),
  ).action(async (id: string, flags: EndFlags) => {
    const client = await AdminClient.create(flags, environment);
    await confirm(`End the session ${id}?`, flags.yes === true);
    ended(await client.request<EndedAnswer>('DELETE', `/sessions/${encodeURIComponent(id)}`, { reason: flags.reason }));
  });
  addAdminFlags(
    sessions
      .command('unsubscribe')
      .description('end a subscription of a session, on whatever node')
      .argument('<session>')
      .argument('<number>', 'as `sessions subscriptions` shows it', (text) => parseNumber(text, 1, 2 ** 31)),
  ).action(async (id: string, number: number, flags: AdminFlags) => {
    const client = await AdminClient.create(flags, environment);
    const path = `/sessions/${encodeURIComponent(id)}/subscriptions/${number}`;
    const { missing } = await client.request<{ missing: readonly string[] }>('DELETE', path);
    if (missing.length > 0) throw new CliError(`no answer in time from ${missing.join(', ')}`);
    print(['1 subscription ended']);
  });
}

function addList(sessions: Command, environment: Environment): void {
  const orders = ['connectedAt', 'queuedBytes', 'subscriptions', 'user'];
  addListFlags(sessions.command('list', { isDefault: true }).description('sessions of the node'), orders)
    .option('--user <name>', 'of this very user')
    .option('--transport <name>', 'tcp, tls, websocket, sockjs-websocket, sockjs-xhr-streaming, …')
    .addOption(new Option('--state <state>', 'in this state').choices(STATES))
    .option('--address <text>', 'whose remote address begins with this')
    .action(({ user, transport, state, address, ...flags }: SessionFlags) =>
      printList<Session>(flags, environment, {
        path: '/sessions',
        query: { user, transport, state, address },
        noun: 'sessions',
        columns: [
          { title: 'SESSION', of: ({ id }) => id },
          { title: 'USER', of: (each) => each.user ?? '-' },
          { title: 'TRANSPORT', of: (each) => each.transport },
          { title: 'ADDRESS', of: ({ remoteAddress }) => remoteAddress },
          { title: 'STATE', of: (each) => each.state },
          { title: 'STOMP', of: ({ version }) => version },
          { title: 'AGE', of: ({ connectedAt }) => duration(Date.now() - Date.parse(connectedAt)) },
          { title: 'SILENT', of: ({ silentForMs }) => duration(silentForMs) },
          { title: 'QUEUED', of: ({ queuedBytes }) => queuedBytes },
          { title: 'SUBS', of: ({ subscriptions }) => subscriptions },
        ],
      }),
    );
}

function addSubscriptions(sessions: Command, environment: Environment): void {
  addListFlags(sessions.command('subscriptions').description('what sessions are subscribed to'), [
    'session',
    'destination',
    'pending',
  ])
    .option('--session <id>', 'of this session')
    .option('--user <name>', 'of this very user')
    .option('-d, --destination <destination>', 'to this very destination or pattern')
    .option('--prefix <text>', 'to destinations that begin with this')
    .action(({ session, user, destination, prefix, ...flags }: SubscriptionFlags) =>
      printList<SubscriptionItem>(flags, environment, {
        path: '/subscriptions',
        query: { session, user, destination, prefix },
        noun: 'subscriptions',
        columns: [
          { title: 'SESSION', of: ({ sessionId }) => sessionId },
          { title: 'NUMBER', of: ({ number }) => number },
          { title: 'ID', of: ({ id }) => id ?? '-' },
          { title: 'USER', of: (each) => each.user ?? '-' },
          { title: 'DESTINATION', of: (each) => each.destination },
          { title: 'ACK', of: ({ ack }) => ack },
          { title: 'PENDING', of: ({ pending }) => pending },
        ],
      }),
    );
}
