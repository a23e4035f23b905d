/** What a running server says of its processes: how much memory they take of what they may, and how the workers are. */
import { type Finding, ok, warn } from './finding.js';

/** As `/stats` of the admin API has it, as far as it is looked at. */
export interface ShownProcesses {
  readonly server: {
    readonly workerProcesses: readonly {
      readonly worker: number;
      readonly isListening: boolean;
      readonly connections: number;
      readonly report: {
        readonly residentBytes: number;
        readonly sockets: { readonly open: number; readonly max: number } | null;
      } | null;
    }[];
  };
  readonly broker: {
    readonly memory: {
      readonly used: number;
      readonly heapBytes: number;
      readonly heapBudgetBytes: number;
      readonly totalBytes: number;
      readonly budgetBytes: number;
    } | null;
  };
}

/** Below what sheds load; garbage that waits to be collected seldom makes so much. */
const MUCH_MEMORY = 0.75;
const MANY_SOCKETS = 0.9;
const MIB = 2 ** 20;

export function checkMemory({ broker: { memory } }: Pick<ShownProcesses, 'broker'>): Finding {
  const check = 'memory';
  if (memory === null) return warn(check, 'nobody watches it', 'set broker.memory.enabled: true');
  const { used, heapBytes, heapBudgetBytes, totalBytes, budgetBytes } = memory;
  const heap = `heap ${mib(heapBytes)} of ${mib(heapBudgetBytes)} MiB`;
  const all = `heap and buffers ${mib(totalBytes)} of ${mib(budgetBytes)} MiB`;
  const text = `${Math.floor(used * 100)} % of the budget: ${heap}, ${all}`;
  if (used < MUCH_MEMORY) return ok(check, text);
  return warn(check, text, '/api/v1/stats (memory.held) says what for; give it more, or bound what it keeps');
}

export function* checkWorkers({ server }: Pick<ShownProcesses, 'server'>): Generator<Finding> {
  for (const { worker, isListening, connections, report } of server.workerProcesses) {
    const check = `worker ${worker}`;
    if (!isListening || report === null) {
      yield warn(check, 'does not listen', 'the log of the server says why it died');
      continue;
    }
    const { sockets, residentBytes } = report;
    const bound = sockets === null ? '' : ` (${sockets.open} of ${sockets.max} sockets)`;
    const text = `${connections} connections${bound}, ${mib(residentBytes)} MiB`;
    if (sockets === null || sockets.open < sockets.max * MANY_SOCKETS) yield ok(check, text);
    else yield warn(check, text, 'raise its open files: LimitNOFILE, ulimit -n');
  }
}

function mib(bytes: number): string {
  return String(Math.ceil(bytes / MIB));
}
