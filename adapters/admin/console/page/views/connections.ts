/** Who is connected, one line for each session; and ending one. */
import { ask } from '../api.js';
import type { Session } from '../api-types.js';
import { confirmed, doing } from '../dialogs.js';
import { formatBytes, formatDuration, formatTime } from '../format.js';
import { html, type Shown } from '../html.js';
import { Filters, setQuery } from '../parts/filters.js';
import { type Column, PagedTable } from '../parts/paged-table.js';
import { may } from '../roles.js';
import { linkTo } from '../router.js';
import type { ViewProps } from './view.js';

const TRANSPORTS = ['tcp', 'tls', 'websocket', 'sockjs-websocket', 'sockjs-xhr-streaming', 'sockjs-xhr-polling'];
const STATES = ['awaiting-connect', 'authenticating', 'connected', 'closing'];

const COLUMNS: readonly Column<Session>[] = [
  {
    title: 'User',
    sort: 'user',
    isName: true,
    cell: ({ id, user, clientId }) => [
      html`<a href=${linkTo(['connections', id])}>${user ?? 'anonymous'}</a>`,
      clientId !== null && html` <span class="hint">${clientId}</span>`,
    ],
  },
  { title: 'Address', cell: ({ remoteAddress }) => remoteAddress },
  { title: 'Transport', isWide: true, cell: ({ transport }) => html`<span class="nowrap">${transport}</span>` },
  {
    title: 'State',
    cell: ({ state }) => html`<span class=${`badge ${state === 'connected' ? 'good' : 'warn'}`}>${state}</span>`,
  },
  { title: 'Connected', sort: 'connectedAt', isWide: true, cell: ({ connectedAt }) => formatTime(connectedAt) },
  { title: 'Silent for', isNumber: true, isWide: true, cell: ({ silentForMs }) => formatDuration(silentForMs) },
  { title: 'Subscriptions', sort: 'subscriptions', isNumber: true, cell: ({ subscriptions }) => subscriptions },
  {
    title: 'Waiting',
    sort: 'queuedBytes',
    isNumber: true,
    cell: ({ queuedBytes, transportBytes }) => formatBytes(queuedBytes + transportBytes),
  },
];

export interface SessionTableProps {
  readonly filters: Readonly<Record<string, string | undefined>>;
  readonly sort: string;
}

/** Sessions with their acts; also of one user. */
export function SessionTable({ filters, sort }: SessionTableProps): Shown {
  const acts = (session: Session, reload: () => void): Shown =>
    html`<button
      class="small danger"
      onClick=${async () => {
        if (await disconnect(session)) reload();
      }}
    >
      Disconnect
    </button>`;
  return html`<${PagedTable}
    label="connections"
    path="sessions"
    filters=${filters}
    sort=${sort}
    onSort=${(next: string) => {
      setQuery({ sort: next });
    }}
    columns=${COLUMNS}
    keyOf=${({ id }: Session) => id}
    acts=${may('operator') ? acts : undefined}
  />`;
}

/** @returns whether it was done */
export async function disconnect({ id, user, remoteAddress }: Session): Promise<boolean> {
  const who = `${user ?? 'An anonymous session'}, ${remoteAddress}`;
  if (!(await confirmed('Disconnect this session?', `${who}. What waits for it is written first.`, 'Disconnect')))
    return false;
  return doing(ask('DELETE', `sessions/${encodeURIComponent(id)}`), () => `${who}: disconnected`);
}

export function ConnectionsView({ query }: ViewProps): Shown {
  const { sort = '-connectedAt', user, address, transport, state } = query;
  return html`
    <${Filters}
      query=${query}
      fields=${[
        { name: 'user', label: 'User' },
        { name: 'address', label: 'Address begins with' },
        { name: 'transport', label: 'Transport', choices: TRANSPORTS },
        { name: 'state', label: 'State', choices: STATES },
      ]}
    />
    <${SessionTable} filters=${{ user, address, transport, state }} sort=${sort} />
  `;
}
