/** Lists of the admin API as columns or as lines of JSON, page by page, so that a hundred thousand take no memory. */
import type { Command } from 'commander';
import { parseNumber } from '../argument.js';
import type { Environment } from '../environment.js';
import { painter, print, printable, tableLines } from '../terminal.js';
import { addAdminFlags, AdminClient, type AdminFlags, type Query } from './admin-client.js';

export interface ListFlags extends AdminFlags {
  readonly limit: number;
  readonly json?: true;
  readonly sort?: string;
}

export interface Column<T> {
  readonly title: string;
  readonly of: (item: T) => string | number;
}

export interface Listing<T> {
  /** Below `/api/v1`. */
  readonly path: string;
  readonly query: Query;
  readonly columns: readonly Column<T>[];
  /** What they are, for the line that says how many there are. */
  readonly noun: string;
}

const DEFAULT_LIMIT = 100;

export function addListFlags(command: Command, orders: readonly string[] = []): Command {
  addAdminFlags(command)
    .option(
      '-n, --limit <number>',
      'most that are shown; 0: all',
      (text) => parseNumber(text, 0, 2 ** 31),
      DEFAULT_LIMIT,
    )
    .option('--json', 'a JSON object on each line');
  if (orders.length > 0) {
    command.option(
      '--sort <order>',
      `${orders.join(', ')}; with - in front the other way round, as in --sort=-${orders[0]}`,
    );
  }
  return command;
}

/** Prints them. What is left out is said on standard error. @throws CliError */
export async function printList<T>(flags: ListFlags, environment: Environment, listing: Listing<T>): Promise<void> {
  const client = await AdminClient.create(flags, environment);
  const { path, query, columns, noun } = listing;
  const paint = painter(environment, process.stdout);
  let shown = 0;
  let isMore = false;
  let total: number | undefined;
  for await (const page of client.pages<T>(path, { ...query, sort: flags.sort }, flags.limit)) {
    if (flags.json === true) print(page.items.map((item) => JSON.stringify(item)));
    else if (page.items.length > 0) {
      const titles = columns.map(({ title }) => title);
      const rows = page.items.map((item) => columns.map(({ of }) => of(item)));
      const lines = tableLines(titles, rows, paint);
      print(shown === 0 ? lines : lines.slice(1));
    }
    shown += page.items.length;
    isMore = page.next !== null;
    total = page.total;
  }
  if (flags.json === true) return;
  if (isMore)
    process.stderr.write(`${shown} shown${total === undefined ? '' : ` of ${total} ${noun}`}; -n 0 shows all\n`);
  else if (shown === 0) process.stderr.write(`no such ${noun}\n`);
}

/** One thing, a line for each of its fields. */
export function printRecord(record: Readonly<Record<string, unknown>>, isJson: boolean): void {
  if (isJson) {
    print([JSON.stringify(record)]);
    return;
  }
  const names = Object.keys(record);
  const width = Math.max(...names.map((name) => name.length));
  print(names.map((name) => `${name.padEnd(width)}  ${printable(valueText(record[name]))}`));
}

function valueText(value: unknown): string {
  if (value === null) return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
