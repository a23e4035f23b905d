/** What the store and its worker thread say to each other. Each request is answered once, in the order of the requests. */
import path from 'node:path';
import type { StoreContents } from '../../broker/ports.js';
import type { Packed } from './packed.js';

/** What the worker is started with. */
export interface SqliteWorkerData {
  /** Holds the file; made when it is missing, its parent is not. */
  readonly directory: string;
  /** Octets that the file may grow to; 0 leaves that to the disk. */
  readonly maxBytes: number;
}

/** The data file of a directory. */
export function fileOf({ directory }: Pick<SqliteWorkerData, 'directory'>): string {
  return path.join(directory, 'hoofbeat.db');
}

/** Times come along, as the clock stays where it is. */
export type SqliteRequest =
  | { readonly kind: 'open'; readonly nowEpochMs: number }
  | { readonly kind: 'commit'; readonly operations: Packed; readonly nowEpochMs: number }
  | {
      readonly kind: 'read';
      readonly stream: string;
      readonly priority: number;
      readonly afterSequence: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
    }
  /** The worker ends behind its answer. */
  | { readonly kind: 'close' };

export type SqliteAnswer =
  | { readonly kind: 'opened'; readonly contents: StoreContents }
  | { readonly kind: 'read'; readonly messages: Packed }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: 'store-full' | 'store-failed'; readonly message: string };
