/** What the store and its worker thread say to each other. Each request is answered once, in the order of the requests. */
import type { StoreContents } from '../../broker/ports.js';
import type { Packed } from './packed.js';
import type { SqliteFileOptions } from './sqlite-file.js';

/** What the worker is started with. */
export type SqliteWorkerData = SqliteFileOptions;

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
