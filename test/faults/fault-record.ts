/** The row of the report that each fault leaves in test/.artifacts/faults/: what `npm run hardening` makes its table of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Set by `npm run hardening`: the long versions. */
export const IS_LONG = process.env['HOOFBEAT_HARDENING'] === '1';
const ARTIFACTS = path.resolve(import.meta.dirname, '../../../test/.artifacts/faults');

export interface FaultRow {
  readonly group: 'Drain' | 'Clock' | 'DNS' | 'Redis' | 'Disk' | 'Process' | 'Descriptors';
  readonly fault: string;
  /** Option or file. */
  readonly defence: string;
  /** What came of it, in a few words and figures. */
  readonly outcome: string;
}

/** One file for each row, so that test files that run side by side have nothing to share. */
export function recordFault(row: FaultRow): void {
  mkdirSync(ARTIFACTS, { recursive: true });
  const name = `${row.group}-${row.fault}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  writeFileSync(path.join(ARTIFACTS, `${name}.json`), `${JSON.stringify(row, null, 2)}\n`);
}
