/** The processes that have the clients' sockets; nothing where the broker has them itself. */
import type { WorkerProcess } from '../api-types.js';
import { formatBytes, formatCount, formatRate } from '../format.js';
import { html, type Shown } from '../html.js';

/** Of the sockets that open files allow: above it somebody should look. */
const MANY_SOCKETS = 0.9;
/** Of V8's limit, from here on nobody new is let in (`broker.memory`). */
const LARGE_HEAP = 0.84 * 0.8;

export interface WorkersProps {
  readonly workers: readonly WorkerProcess[];
  /** Of one processor, by number of the worker. */
  readonly cpuPercents: ReadonlyMap<number, number>;
}

export function Workers({ workers, cpuPercents }: WorkersProps): Shown {
  if (workers.length === 0) return null;
  return html`<section class="card">
    <h2>Worker processes</h2>
    <div class="scroll" role="region" aria-label="Worker processes" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Connections</th>
            <th scope="col" class="number">Sockets</th>
            <th scope="col" class="number">Memory</th>
            <th scope="col" class="number">Heap</th>
            <th scope="col" class="number">Delay</th>
            <th scope="col" class="number">Processor</th>
          </tr>
        </thead>
        <tbody>
          ${workers.map((each) => html`<${Row} key=${each.worker} each=${each} percent=${cpuPercents.get(each.worker)} />`)}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Row({ each, percent }: { readonly each: WorkerProcess; readonly percent: number | undefined }): Shown {
  const { worker, connections, report } = each;
  const sockets = report?.sockets ?? null;
  const delay = report?.delay ?? null;
  return html`<tr>
    <td>${worker}</td>
    <td><${State} each=${each} /></td>
    <td class="number">${formatCount(connections)}</td>
    <td class="number">${sockets === null ? '…' : `${formatCount(sockets.open)} of ${formatCount(sockets.max)}`}</td>
    <td class="number">${report === null ? '…' : formatBytes(report.residentBytes)}</td>
    <td class="number">
      ${report === null ? '…' : `${formatBytes(report.heapBytes)} of ${formatBytes(report.heapLimitBytes)}`}
    </td>
    <td class="number">${delay === null ? '…' : `${formatRate(delay.recentP99Ms)} ms`}</td>
    <td class="number">${percent === undefined ? '…' : `${formatRate(percent)} %`}</td>
  </tr>`;
}

function State({ each: { processId, isListening, report } }: { readonly each: WorkerProcess }): Shown {
  if (!isListening) {
    return html`<span class="badge bad">${processId === null ? 'is away' : 'starts'}</span>`;
  }
  const sockets = report?.sockets ?? null;
  if (sockets !== null && sockets.open >= sockets.max) return html`<span class="badge bad">no open files left</span>`;
  if (report !== null && report.heapBytes >= report.heapLimitBytes * LARGE_HEAP) {
    return html`<span class="badge bad">heap nearly full</span>`;
  }
  if (sockets !== null && sockets.open >= sockets.max * MANY_SOCKETS) {
    return html`<span class="badge warn">few open files left</span>`;
  }
  return html`<span class="badge good">listens</span>`;
}
