/**
 * Several test files in one process, one after the other: starting Node, tap and the server's modules for each would take
 * longer than most of them do. Arguments: the compiled files, as paths from the working directory. A line after each file
 * says that it has ended (process-report.ts reads it). What a file puts on the root test lasts until the file ends.
 */
import { once } from 'node:events';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { endOf } from './process-report.js';

const FILE_LIMIT_MS = Number(process.env['TAP_TIMEOUT'] ?? 120) * 1_000;

type Teardown = Parameters<typeof t.teardown>[0];

/** Ended by a time limit, or by a hook that failed: what comes after would fail without having been run. */
function isOver(): boolean {
  return t.ended || t.timedOut;
}

async function testsAreDone(): Promise<void> {
  while (!t.idle && !isOver()) await once(t, 'idle');
}

async function run(file: string): Promise<void> {
  const teardowns: Teardown[] = [];
  // The root test's own would be the process's, and tap would end it at the first pause.
  t.teardown = (teardown: Teardown) => {
    teardowns.push(teardown);
  };
  // As tap names it for a file that has a process of its own; two batches must not share one.
  t.testdirName = path.resolve('.tap/fixtures', file.replace(/[^a-zA-Z0-9._-]+/g, '-'));
  t.setTimeout(FILE_LIMIT_MS);
  try {
    await import(pathToFileURL(file).href);
    await testsAreDone();
    for (const teardown of teardowns.reverse()) await teardown();
  } catch (error) {
    t.fail(`${file} cannot be run`, { error });
  }
  await testsAreDone();
}

/** A reader that is slow makes tap hold back what it has to say. */
async function allIsSaid(): Promise<void> {
  while (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
}

for (const file of process.argv.slice(2)) {
  await run(file);
  await allIsSaid();
  // What is left is for another process.
  if (isOver()) process.exit(1);
  // Not through tap, which keeps comments for the next test.
  process.stdout.write(`${endOf(file)}\n`);
}
// For what the last file closed without waiting; who needs more has left something open.
t.setTimeout(FILE_LIMIT_MS);
// tap lets what was left open live on for long after it has told what it is.
setTimeout(() => process.exit(1), FILE_LIMIT_MS + 1_000).unref();
