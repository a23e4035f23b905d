/** A store whose commits end when and how the test says: for what a real one cannot be made to do at a given moment. */
import type { Store, StoreContents, StoredMessage, StoreOperation } from '../../broker/ports.js';

export interface PendingCommit {
  readonly operations: readonly StoreOperation[];
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

export class ScriptedStore implements Store {
  readonly name = 'scripted';
  /** Under way, oldest first. */
  readonly commits: PendingCommit[] = [];
  isClosed = false;
  readonly #contents: StoreContents;

  constructor(contents: Partial<StoreContents> = {}) {
    this.#contents = { lanes: [], records: [], ...contents };
  }

  open(): Promise<StoreContents> {
    return Promise.resolve(this.#contents);
  }

  commit(operations: readonly StoreOperation[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.commits.push({ operations, succeed: resolve, fail: reject });
    });
  }

  read(): Promise<readonly StoredMessage[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
