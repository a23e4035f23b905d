/** `hoofbeat users`: who is connected; ends their sessions, sends to them. */
import type { Command } from 'commander';
import type { Environment } from '../environment.js';
import { confirm, print } from '../terminal.js';
import { addAdminFlags, ADMIN_HELP, AdminClient, type AdminFlags } from './admin-client.js';
import { addListFlags, type ListFlags, printList, printRecord } from './listing.js';
import { addOutgoingFlags, type OutgoingFlags, outgoingOf } from './outgoing.js';
import { addEndFlags, type EndFlags, ended, type EndedAnswer } from './ending.js';

interface User {
  readonly name: string;
  readonly sessions: number;
  readonly sessionIds: readonly string[];
}

const HELP = `${ADMIN_HELP}

Examples:
  hoofbeat users --sort=-sessions -n 20
  hoofbeat users --prefix ann --json | jq .name
  hoofbeat users disconnect ann --reason 'Account closed'
  hoofbeat users send ann -d /queue/notices -m hello`;

export function addUsersCommand(program: Command, environment: Environment): void {
  const users = program.command('users').description('who is connected; end their sessions, send to them');
  users.addHelpText('after', HELP);
  addListFlags(users.command('list', { isDefault: true }).description('users with sessions on the node'), [
    'name',
    'sessions',
  ])
    .option('--prefix <text>', 'names that begin with this')
    .action((flags: ListFlags & { readonly prefix?: string }) =>
      printList<User>(flags, environment, {
        path: '/users',
        query: { prefix: flags.prefix },
        noun: 'users',
        columns: [
          { title: 'USER', of: ({ name }) => name },
          { title: 'SESSIONS', of: ({ sessions }) => sessions },
          { title: 'IDS', of: ({ sessionIds }) => sessionIds.slice(0, 3).join(' ') },
        ],
      }),
    );
  addAdminFlags(users.command('show').description('one user').argument('<user>'))
    .option('--json', 'as JSON')
    .action(async (name: string, flags: AdminFlags & { readonly json?: true }) => {
      const client = await AdminClient.create(flags, environment);
      printRecord(await client.get(`/users/${encodeURIComponent(name)}`), flags.json === true);
    });
  addEndFlags(
    users.command('disconnect').description('end all sessions of a user, on all nodes').argument('<user>'),
  ).action(async (name: string, flags: EndFlags) => {
    const client = await AdminClient.create(flags, environment);
    await confirm(`End all sessions of ${JSON.stringify(name)}?`, flags.yes === true);
    const path = `/users/${encodeURIComponent(name)}/sessions`;
    ended(await client.request<EndedAnswer>('DELETE', path, { reason: flags.reason }));
  });
  addOutgoingFlags(users.command('send').description('send to every session of a user').argument('<user>'))
    .option('--session <id>', 'to this session of the user alone')
    .action(async (name: string, flags: OutgoingFlags & { readonly session?: string }) => {
      const client = await AdminClient.create(flags, environment);
      const body = { ...(await outgoingOf(flags)), session: flags.session };
      const path = `/users/${encodeURIComponent(name)}/messages`;
      const { sessions } = await client.request<{ sessions: number }>('POST', path, {}, body);
      print([`accepted for ${sessions} ${sessions === 1 ? 'session' : 'sessions'} on the node`]);
    });
}
