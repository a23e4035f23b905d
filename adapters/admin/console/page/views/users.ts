/** Who is there: users with their sessions, and one user. */
import { ask } from '../api.js';
import type { User } from '../api-types.js';
import { confirmed, doing } from '../dialogs.js';
import { plural } from '../format.js';
import { html, type Shown } from '../html.js';
import { Filters, setQuery } from '../parts/filters.js';
import { type Column, PagedTable } from '../parts/paged-table.js';
import { Publish } from '../parts/publish.js';
import { Subscriptions } from '../parts/subscriptions.js';
import { may } from '../roles.js';
import { linkTo } from '../router.js';
import { SessionTable } from './connections.js';
import type { ViewProps } from './view.js';

const COLUMNS: readonly Column<User>[] = [
  {
    title: 'User',
    sort: 'name',
    isName: true,
    cell: ({ name }) => html`<a href=${linkTo(['users', name])}>${name}</a>`,
  },
  { title: 'Sessions', sort: 'sessions', isNumber: true, cell: ({ sessions }) => sessions },
];

async function disconnectUser(name: string): Promise<boolean> {
  const text = `All sessions of ${name} end, on all nodes. Nothing keeps them from connecting again.`;
  if (!(await confirmed('Disconnect this user?', text, 'Disconnect user'))) return false;
  return doing(
    ask<{ readonly disconnected: number; readonly missing: readonly string[] }>(
      'DELETE',
      `users/${encodeURIComponent(name)}/sessions`,
    ),
    ({ disconnected, missing }) =>
      `${name}: ${plural(disconnected, 'session')} ended${missing.length === 0 ? '' : `; silent: ${missing.join(', ')}`}`,
  );
}

export function UsersView({ query }: ViewProps): Shown {
  const { sort = 'name', prefix } = query;
  const acts = ({ name }: User, reload: () => void): Shown =>
    html`<button
      class="small danger"
      onClick=${async () => {
        if (await disconnectUser(name)) reload();
      }}
    >
      Disconnect
    </button>`;
  return html`
    <${Filters} query=${query} fields=${[{ name: 'prefix', label: 'Name begins with' }]} />
    <${PagedTable}
      label="users"
      path="users"
      filters=${{ prefix }}
      sort=${sort}
      onSort=${(next: string) => {
        setQuery({ sort: next });
      }}
      columns=${COLUMNS}
      keyOf=${({ name }: User) => name}
      acts=${may('operator') ? acts : undefined}
    />
  `;
}

export function UserView({ path: [name = ''], query }: ViewProps): Shown {
  return html`
    <section class="card">
      <div class="head">
        <h2>Sessions</h2>
        ${
          may('operator') &&
          html`<a class="button" href=${linkTo(['tap'], { user: name })}>Tap frames</a>
            <button class="danger" onClick=${() => void disconnectUser(name)}>Disconnect user</button>`
        }
      </div>
      <${SessionTable} filters=${{ user: name }} sort=${query['sort'] ?? '-connectedAt'} />
    </section>
    <section class="card">
      <h2>Subscriptions</h2>
      <${Subscriptions} filters=${{ user: name }} />
    </section>
    ${
      may('operator') &&
      html`<section class="card">
        <h2>Send to this user</h2>
        <${Publish} user=${name} />
      </section>`
    }
  `;
}
