/** The thread of a SqliteConnectionSink: does what it is told to its table, one call after the other, and answers each. */
import { parentPort, workerData } from 'node:worker_threads';
import { UnusableSinkError } from './connection-sink.js';
import { ConnectionTable } from './connection-table.js';

export type TableMethod = 'open' | 'write' | 'stale' | 'prune' | 'list' | 'statistics' | 'close';

export interface TableCall {
  readonly id: number;
  readonly method: TableMethod;
  readonly args: readonly unknown[];
}

/** Errors lose their class between threads. */
export type TableAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: string; readonly isUnusable: boolean };

const table = new ConnectionTable((workerData as { readonly file: string }).file);
// Who calls has checked the arguments: sqlite-connection-sink.ts has these methods with these types.
const methods = table as unknown as Record<TableMethod, (...args: readonly unknown[]) => unknown>;

function answerTo({ id, method, args }: TableCall): TableAnswer {
  try {
    return { id, value: methods[method](...args) };
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    return { id, fault, isUnusable: error instanceof UnusableSinkError };
  }
}

parentPort?.on('message', (call: TableCall) => {
  parentPort?.postMessage(answerTo(call));
});
