/**
 * A list of the API, one page at a time: the server filters, sorts and cuts, so that it does not matter how long it is. The
 * page that is shown is asked again while somebody looks at it.
 */
import { useState } from 'preact/hooks';
import type { Page } from '../api-types.js';
import type { Query } from '../api.js';
import { describe } from '../dialogs.js';
import { formatCount } from '../format.js';
import { type ComponentChildren, html, type Shown } from '../html.js';
import { type Polled, usePoll } from '../poll.js';
import { Pager, usePages } from './pager.js';

export interface Column<T> {
  readonly title: string;
  /** The order by that name; missing: the list cannot be sorted by it. */
  readonly sort?: string;
  readonly isNumber?: boolean;
  /** Left out on a telephone. */
  readonly isWide?: boolean;
  /** Breaks wherever it has to. */
  readonly isName?: boolean;
  readonly cell: (item: T) => ComponentChildren;
}

export interface PagedTableProps<T> {
  /** What it is a list of, e.g. `connections`. */
  readonly label: string;
  /** Below `/api/v1/`. */
  readonly path: string;
  readonly filters?: Query;
  readonly sort?: string | undefined;
  /** Missing: it cannot be sorted. */
  readonly onSort?: (sort: string) => void;
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string | number;
  /** Beside each line. */
  readonly acts?: (item: T, reload: () => void) => ComponentChildren;
  /** False: there is no `total`. Default true. */
  readonly isCounted?: boolean;
}

export const PAGE_SIZE = 50;
const REFRESH_MS = 5_000;

export function PagedTable<T>(props: PagedTableProps<T>): Shown {
  // Another question begins at its first page.
  const question = JSON.stringify([props.path, props.filters, props.sort]);
  return html`<${Questioned} key=${question} ...${props} />`;
}

function Questioned<T>(props: PagedTableProps<T>): Shown {
  const { path, filters = {}, sort } = props;
  const pages = usePages();
  const polled = usePoll<Page<T>>(path, { ...filters, sort, limit: PAGE_SIZE, cursor: pages.cursor }, REFRESH_MS);
  // The page before stays until the next one is there, so that nothing jumps.
  const [kept, setKept] = useState<Page<T> | undefined>(undefined);
  if (polled.data !== undefined && polled.data !== kept) setKept(polled.data);
  const page = polled.data ?? kept;
  const { next = null } = polled.data ?? {};
  return html`<div class="messages">
    ${polled.error !== undefined && html`<p class="problem" role="alert">${describe(polled.error)}</p>`}
    <${Rows} ...${props} page=${page} polled=${polled} />
    <${Pager} pages=${pages} next=${next}>
      <span class="hint" data-pager> ${wordsOf(props, pages.number, page)} </span>
    <//>
  </div>`;
}

/** How many a filter lets through nobody has counted: that would take a walk through all of them. */
function wordsOf<T>(
  { label, filters = {}, isCounted = true }: PagedTableProps<T>,
  number: number,
  page?: Page<T>,
): string {
  const isFiltered = Object.values(filters).some((value) => value !== undefined && value !== '');
  const all =
    !isCounted || page === undefined ? '' : ` · ${isFiltered ? 'of ' : ''}${formatCount(page.total)} ${label} in all`;
  return `Page ${formatCount(number)}${all}`;
}

type RowsProps<T> = PagedTableProps<T> & { readonly page: Page<T> | undefined; readonly polled: Polled<Page<T>> };

function Rows<T>({ label, columns, keyOf, acts, sort = '', onSort, page, polled }: RowsProps<T>): Shown {
  const classOf = ({ isNumber, isWide, isName }: Column<T>): string =>
    [isNumber === true ? 'number' : '', isWide === true ? 'wide-only' : '', isName === true ? 'name' : '']
      .join(' ')
      .trim();
  return html`<div class="scroll" role="region" aria-label=${label} tabindex="0" aria-busy=${polled.isLoading}>
    <table>
      <thead>
        <tr>
          ${columns.map(
            (column) =>
              html`<th
                key=${column.title}
                scope="col"
                class=${classOf(column)}
                aria-sort=${directionOf(column.sort, sort)}
              >
                ${
                  column.sort === undefined || onSort === undefined
                    ? column.title
                    : html`<button
                        onClick=${() => {
                          onSort(sort === column.sort ? `-${column.sort}` : (column.sort ?? ''));
                        }}
                      >
                        ${column.title}
                      </button>`
                }
              </th>`,
          )}
          ${acts !== undefined && html`<td></td>`}
        </tr>
      </thead>
      <tbody>
        ${page?.items.map(
          (item) =>
            html`<tr key=${keyOf(item)}>
              ${columns.map((column) => html`<td key=${column.title} class=${classOf(column)}>${column.cell(item)}</td>`)}
              ${acts !== undefined && html`<td class="acts">${acts(item, polled.reload)}</td>`}
            </tr>`,
        )}
      </tbody>
    </table>
    ${page?.items.length === 0 && html`<p class="empty">None here.</p>`}
    ${page === undefined && html`<p class="empty">${polled.error === undefined ? 'Loading…' : 'Nothing to show.'}</p>`}
  </div>`;
}

function directionOf(name: string | undefined, sort: string): string | undefined {
  if (name === undefined) return undefined;
  if (sort === name) return 'ascending';
  return sort === `-${name}` ? 'descending' : 'none';
}
