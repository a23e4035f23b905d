/** Who did what through the admin API. */
import type { AuditEntry } from '../api-types.js';
import { formatTime } from '../format.js';
import { html, type Shown } from '../html.js';
import { Filters } from '../parts/filters.js';
import { type Column, PagedTable } from '../parts/paged-table.js';
import type { ViewProps } from './view.js';

const COLUMNS: readonly Column<AuditEntry>[] = [
  { title: 'When', cell: ({ at }) => formatTime(at) },
  { title: 'Who', isName: true, cell: ({ actor, role }) => [actor, ' ', html`<span class="badge">${role}</span>`] },
  { title: 'Did', cell: ({ operation }) => html`<code>${operation}</code>` },
  {
    title: 'To what',
    isName: true,
    cell: ({ subject }) =>
      Object.entries(subject)
        .filter(([, value]) => value !== null)
        .map(
          ([name, value]) =>
            html`<div key=${name}>
              <span class="muted">${name}</span>
              <code>${typeof value === 'string' ? value : JSON.stringify(value)}</code>
            </div>`,
        ),
  },
  {
    title: 'Outcome',
    cell: ({ outcome }) => html`<span class=${`badge ${outcome === 'done' ? 'good' : 'bad'}`}>${outcome}</span>`,
  },
  { title: 'Address', isWide: true, cell: ({ address }) => address },
];

export function AuditView({ query }: ViewProps): Shown {
  const { actor, operation } = query;
  return html`
    <p class="hint">The last acts, as far as they are in memory; the server's log has them all.</p>
    <${Filters}
      query=${query}
      fields=${[
        { name: 'actor', label: 'Who' },
        { name: 'operation', label: 'Operation' },
      ]}
    />
    <${PagedTable}
      label="acts"
      path="audit"
      filters=${{ actor, operation }}
      columns=${COLUMNS}
      keyOf=${({ number }: AuditEntry) => number}
    />
  `;
}
