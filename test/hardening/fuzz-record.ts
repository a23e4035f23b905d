/** What a fuzzer has done, for the report of `npm run hardening`: one file for each target in test/.artifacts/fuzz/. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface FuzzRow {
  readonly target: string;
  readonly inputs: number;
  readonly seconds: number;
  readonly seed: string;
  /** In a few words; `nothing` when it is so. */
  readonly found: string;
  /** Of a guided run, and of one without guidance over as many inputs. */
  readonly guided?: {
    readonly blocks: number;
    readonly reached: number;
    readonly features: number;
    readonly unguided: Reached;
  };
  /** After garbage collection, half way and at the end. */
  readonly heapMiB?: { readonly half: number; readonly end: number };
}

export interface Reached {
  readonly reached: number;
  readonly features: number;
}

const ARTIFACTS = path.resolve(import.meta.dirname, '../../../test/.artifacts/fuzz');

/** Of runs of one target the longest stands: the suite's short one does not take its place. */
export function recordFuzz(row: FuzzRow): void {
  mkdirSync(ARTIFACTS, { recursive: true });
  const name = row.target.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const file = path.join(ARTIFACTS, `${name}.json`);
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FuzzRow) : null;
  if (row.found === 'nothing' && before !== null && before.found === 'nothing' && before.inputs > row.inputs) return;
  writeFileSync(file, `${JSON.stringify(row, null, 2)}\n`);
}
