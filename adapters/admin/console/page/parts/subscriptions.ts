/** Subscriptions of a session, of a user or to a destination, and ending one. */
import { ask, type Query } from '../api.js';
import type { Subscription } from '../api-types.js';
import { confirmed, doing } from '../dialogs.js';
import { formatCount } from '../format.js';
import { html, type Shown } from '../html.js';
import { may } from '../roles.js';
import { linkTo } from '../router.js';
import { type Column, PagedTable } from './paged-table.js';

export interface SubscriptionsProps {
  readonly filters: Query;
  /** What is the same in all lines and so not shown. */
  readonly without?: 'session' | 'destination';
}

const COLUMNS: readonly (Column<Subscription> & { readonly of?: SubscriptionsProps['without'] })[] = [
  {
    title: 'Destination',
    isName: true,
    of: 'destination',
    cell: ({ destination }) => html`<code>${destination}</code>`,
  },
  {
    title: 'Session',
    of: 'session',
    cell: ({ sessionId, user }) => html`<a href=${linkTo(['connections', sessionId])}>${user ?? 'anonymous'}</a>`,
  },
  { title: 'Id', isWide: true, cell: ({ id }) => html`<code>${id ?? ''}</code>` },
  { title: 'Ack', cell: ({ ack }) => ack },
  {
    title: 'Not acknowledged',
    isNumber: true,
    cell: ({ ack, pending, window }) => (ack === 'auto' ? '' : `${formatCount(pending)} of ${formatCount(window)}`),
  },
  {
    title: 'More',
    isWide: true,
    cell: ({ selector, isExclusive, isBrowser, durableName }) => [
      durableName !== null && html`<span class="badge">durable</span> `,
      isExclusive && html`<span class="badge">exclusive</span> `,
      isBrowser && html`<span class="badge">browses</span> `,
      selector !== null && html`<code>${selector}</code>`,
    ],
  },
];

export function Subscriptions({ filters, without }: SubscriptionsProps): Shown {
  const acts = (each: Subscription, reload: () => void): Shown =>
    html`<button class="small danger" onClick=${() => void end(each, reload)}>End</button>`;
  return html`<${PagedTable}
    label="subscriptions"
    path="subscriptions"
    filters=${filters}
    columns=${COLUMNS.filter(({ of }) => of === undefined || of !== without)}
    keyOf=${({ sessionId, number }: Subscription) => `${sessionId} ${String(number)}`}
    acts=${may('operator') ? acts : undefined}
    isCounted=${false}
  />`;
}

async function end({ sessionId, number, destination }: Subscription, reload: () => void): Promise<void> {
  const text = `Nothing more is delivered to it from ${destination}; what is not acknowledged goes back. Its client is told on /user/queue/errors.`;
  if (!(await confirmed('End this subscription?', text, 'End subscription'))) return;
  const path = `sessions/${encodeURIComponent(sessionId)}/subscriptions/${String(number)}`;
  if (await doing(ask('DELETE', path), () => `The subscription to ${destination} was ended`)) reload();
}
