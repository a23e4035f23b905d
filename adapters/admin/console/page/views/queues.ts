/** Queues with what they hold, for who looks for the long ones. */
import type { Queue } from '../api-types.js';
import { formatBytes, formatCount } from '../format.js';
import { html, type Shown } from '../html.js';
import { Filters, setQuery } from '../parts/filters.js';
import { type Column, PagedTable } from '../parts/paged-table.js';
import { linkTo } from '../router.js';
import type { ViewProps } from './view.js';

const COLUMNS: readonly Column<Queue>[] = [
  {
    title: 'Queue',
    sort: 'destination',
    isName: true,
    cell: ({ destination, isDurable }) => [
      html`<a class="mono" href=${linkTo(['queues', destination])}>${destination}</a>`,
      isDurable && html` <span class="badge">durable</span>`,
    ],
  },
  { title: 'Waiting', sort: 'depth', isNumber: true, cell: ({ depth }) => formatCount(depth) },
  { title: 'Size', sort: 'bytes', isNumber: true, isWide: true, cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'Delayed', isNumber: true, isWide: true, cell: ({ delayed }) => formatCount(delayed) },
  { title: 'Not settled', sort: 'unsettled', isNumber: true, cell: ({ unsettled }) => formatCount(unsettled) },
  { title: 'Consumers', sort: 'consumers', isNumber: true, cell: ({ consumers }) => formatCount(consumers) },
  {
    title: 'Dead letters to',
    isWide: true,
    cell: ({ deadLetter }) =>
      deadLetter === null ? '' : html`<a class="mono" href=${linkTo(['queues', deadLetter])}>${deadLetter}</a>`,
  },
];

export function QueuesView({ query }: ViewProps): Shown {
  const { sort = '-depth', prefix } = query;
  return html`
    <${Filters} query=${query} fields=${[{ name: 'prefix', label: 'Name begins with' }]} />
    <${PagedTable}
      label="queues"
      path="queues"
      filters=${{ prefix }}
      sort=${sort}
      onSort=${(next: string) => {
        setQuery({ sort: next });
      }}
      columns=${COLUMNS}
      keyOf=${({ destination }: Queue) => destination}
    />
  `;
}
