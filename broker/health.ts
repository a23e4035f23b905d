/** Whether a node works: its parts say what is wrong with each, here it is one answer. */
import type { MemoryProblem } from './memory/memory-guard.js';
import type { ConnectionProblem } from './operations/broker-operations.js';
import type { RelayProblem } from './ports.js';
import type { StoreProblem } from './storage/journal.js';

/** Whether a node works, and what does not. */
export interface Health {
  readonly isOk: boolean;
  readonly problems: readonly (
    | ({ readonly part: 'store' } & StoreProblem)
    | ({ readonly part: 'relay' | 'cluster' } & RelayProblem)
    | ({ readonly part: 'connections' } & ConnectionProblem)
    | ({ readonly part: 'memory' } & MemoryProblem)
  )[];
}

/** What is wrong with each part; null: nothing, or there is none. */
export interface Problems {
  readonly store: StoreProblem | null;
  /** An external broker's, or the one between nodes. */
  readonly relay: RelayProblem | null;
  readonly cluster: RelayProblem | null;
  readonly connections: ConnectionProblem | null;
  readonly memory: MemoryProblem | null;
}

export function healthOf({ store, relay, cluster, connections, memory }: Problems): Health {
  const problems: Health['problems'] = [
    ...(store === null ? [] : [{ part: 'store' as const, ...store }]),
    ...(relay === null ? [] : [{ part: 'relay' as const, ...relay }]),
    ...(cluster === null ? [] : [{ part: 'cluster' as const, ...cluster }]),
    ...(connections === null ? [] : [{ part: 'connections' as const, ...connections }]),
    ...(memory === null ? [] : [{ part: 'memory' as const, ...memory }]),
  ];
  return { isOk: problems.length === 0, problems };
}
