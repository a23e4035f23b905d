/** Topics and queues: what there is, and one topic. */
import type { Destination } from '../api-types.js';
import { formatBytes, formatCount } from '../format.js';
import { html, type Shown } from '../html.js';
import { Filters, setQuery } from '../parts/filters.js';
import { type Column, PagedTable } from '../parts/paged-table.js';
import { Publish } from '../parts/publish.js';
import { Subscriptions } from '../parts/subscriptions.js';
import { may } from '../roles.js';
import { linkTo } from '../router.js';
import type { ViewProps } from './view.js';

const COLUMNS: readonly Column<Destination>[] = [
  {
    title: 'Destination',
    sort: 'destination',
    isName: true,
    cell: ({ destination, kind }) =>
      html`<a class="mono" href=${linkTo([kind === 'queue' ? 'queues' : 'topics', destination])}>${destination}</a>`,
  },
  { title: 'Kind', cell: ({ kind }) => html`<span class="badge">${kind}</span>` },
  { title: 'Subscribers', sort: 'subscribers', isNumber: true, cell: ({ subscribers }) => formatCount(subscribers) },
  {
    title: 'Waiting',
    sort: 'depth',
    isNumber: true,
    cell: ({ kind, depth }) => (kind === 'queue' ? formatCount(depth) : ''),
  },
  {
    title: 'History',
    isNumber: true,
    isWide: true,
    cell: ({ history }) => (history === null ? '' : `${formatCount(history.messages)}, ${formatBytes(history.bytes)}`),
  },
];

export function DestinationsView({ query }: ViewProps): Shown {
  const { sort = 'destination', prefix, kind } = query;
  return html`
    <${Filters}
      query=${query}
      fields=${[
        { name: 'prefix', label: 'Name begins with' },
        { name: 'kind', label: 'Kind', choices: ['topic', 'queue'] },
      ]}
    />
    <${PagedTable}
      label="destinations"
      path="destinations"
      filters=${{ prefix, kind }}
      sort=${sort}
      onSort=${(next: string) => {
        setQuery({ sort: next });
      }}
      columns=${COLUMNS}
      keyOf=${({ destination }: Destination) => destination}
    />
    ${
      may('operator') &&
      html`<section class="card">
        <h2>Publish</h2>
        <${Publish} />
      </section>`
    }
  `;
}

export function TopicView({ path: [name = ''] }: ViewProps): Shown {
  return html`
    <section class="card">
      <div class="head">
        <h2>Subscriptions to this very topic</h2>
        ${may('operator') && html`<a class="button" href=${linkTo(['tap'], { destination: name })}>Tap frames</a>`}
      </div>
      <p class="hint">Those to patterns that match it are not among them.</p>
      <${Subscriptions} filters=${{ destination: name }} without="destination" />
    </section>
    ${
      may('operator') &&
      html`<section class="card">
        <h2>Publish</h2>
        <${Publish} destination=${name} />
      </section>`
    }
  `;
}
