/** How much of the memory budget is taken, of what is nearest to its end, and what is done about it. */
import type { MemoryBudget, Stats, WorkerProcess } from '../api-types.js';
import { formatBytes } from '../format.js';
import { html, type Shown } from '../html.js';
import { Tile, type Tone } from './tile.js';

/** By stage. */
const TONES: readonly Tone[] = ['good', 'warn', 'warn', 'bad', 'bad'];
const ACTS: readonly string[] = [
  '',
  'connections are refused',
  'publishers are paused',
  'messages are dropped',
  'sessions are disconnected',
];

export function MemoryTile({ stats }: { readonly stats: Stats | null }): Shown {
  if (stats === null) return html`<${Tile} name="memory" label="Memory" value="…" />`;
  const { server, broker } = stats;
  const { memory } = broker;
  if (memory === null) {
    const { rssBytes, heapUsedBytes } = server.memory;
    const hint = `heap ${formatBytes(heapUsedBytes)}, without a budget`;
    return html`<${Tile} name="memory" label="Memory" value=${formatBytes(rssBytes)} hint=${hint} />`;
  }
  const { stage, used } = memory;
  return html`<${Tile}
    name="memory"
    label="Memory budget"
    value=${`${String(Math.floor(used * 100))} %`}
    part=${used}
    tone=${TONES[stage] ?? 'bad'}
    note=${ACTS[stage] ?? ''}
    hint=${takenOf(memory, server.workerProcesses)}
  />`;
}

/** Of what is nearest to its end. */
function takenOf(memory: MemoryBudget, workers: readonly WorkerProcess[]): string {
  if (memory.scarce === 'worker-heap') return `heap of worker ${String(fullestOf(workers))}`;
  const [bytes, budgetBytes] =
    memory.scarce === 'heap' ? [memory.heapBytes, memory.heapBudgetBytes] : [memory.totalBytes, memory.budgetBytes];
  const whose = memory.scarce === 'heap' ? 'heap' : workers.length > 0 ? 'all processes' : 'heap and buffers';
  return `${whose} ${formatBytes(bytes)} of ${formatBytes(budgetBytes)}`;
}

function fullestOf(workers: readonly WorkerProcess[]): number {
  let [fullest, most] = [0, 0];
  for (const { worker, report } of workers) {
    const part = report === null ? 0 : report.heapBytes / report.heapLimitBytes;
    if (part > most) [fullest, most] = [worker, part];
  }
  return fullest;
}
