/** How long files took when that was last written down. It only decides their order: an old figure does no harm. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EndedFile } from './test-process.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const RECORD = path.join(ROOT, 'test/runner/seconds.json');
/** The many below are taken for equal. */
const LEAST_SECONDS = 1;

type Seconds = Record<string, number>;

function read(): Seconds {
  return existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Seconds) : {};
}

export function recordedSources(): readonly string[] {
  return Object.keys(read());
}

/** @returns the seconds of a source, e.g. `test/broker/router.test.ts`; undefined: short, or not known */
export function recordedSeconds(): (source: string) => number | undefined {
  const seconds = new Map(Object.entries(read()));
  return (source) => seconds.get(source);
}

/** Replaces what is known of these files; what is known of others stays. */
export function recordSeconds(ended: readonly EndedFile[]): void {
  const seconds = new Map(Object.entries(read()));
  for (const { file, tookMs } of ended) {
    const source = file.replace(/^dist\//, '').replace(/\.js$/, '.ts');
    const took = Math.round(tookMs / 100) / 10;
    if (took >= LEAST_SECONDS) seconds.set(source, took);
    else seconds.delete(source);
  }
  const sorted = [...seconds]
    .filter(([source]) => existsSync(path.join(ROOT, source)))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(RECORD, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}
