/** The server and its nodes: health, draining, log level, configuration. */
import { ask } from '../api.js';
import type { Cluster, Drain, Health } from '../api-types.js';
import { confirmed, describe, doing } from '../dialogs.js';
import { formatCount, formatTime } from '../format.js';
import { fieldsOf, html, type Shown, valueOf } from '../html.js';
import { usePoll } from '../poll.js';
import { may } from '../roles.js';

const REFRESH_MS = 3_000;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

interface Reload {
  readonly applied: readonly Change[];
  readonly needsRestart: readonly Change[];
}

interface Change {
  readonly path: string;
}

export function NodesView(): Shown {
  return html`
    <${Nodes} />
    <${HealthCard} />
    <${DrainCard} />
    <${LogCard} />
    ${may('admin') && html`<${ConfigurationCard} />`}
  `;
}

function Nodes(): Shown {
  const { data, error } = usePoll<Cluster>('cluster', {}, REFRESH_MS);
  return html`<section class="card">
    <h2>Nodes</h2>
    ${error !== undefined && html`<p class="problem" role="alert">${describe(error)}</p>`}
    ${
      data !== undefined &&
      data.missing.length > 0 &&
      html`<p class="banner bad">Did not answer in time: ${data.missing.join(', ')}</p>`
    }
    <div class="scroll" role="region" aria-label="Nodes" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Sessions</th>
            <th scope="col" class="number">Users</th>
            <th scope="col" class="number">Subscriptions</th>
          </tr>
        </thead>
        <tbody>
          ${data?.nodes.map(
            ({ nodeId, isOk, isAccepting, sessions, users, subscriptions }) =>
              html`<tr key=${nodeId}>
                <td class="name"><code>${nodeId}</code></td>
                <td>
                  <span class=${`badge ${isOk ? 'good' : 'bad'}`}>${isOk ? 'works' : 'degraded'}</span>${' '}
                  ${!isAccepting && html`<span class="badge warn">lets nobody in</span>`}
                </td>
                <td class="number">${formatCount(sessions)}</td>
                <td class="number">${formatCount(users)}</td>
                <td class="number">${formatCount(subscriptions)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function HealthCard(): Shown {
  const { data } = usePoll<Health>('health', {}, REFRESH_MS);
  if (data === undefined) return null;
  return html`<section class="card">
    <h2>Health of this node</h2>
    <p>
      <span class=${`badge ${data.isReady ? 'good' : 'bad'}`}>${data.isReady ? 'ready' : 'not ready'}</span>${' '}
      <span class=${`badge ${data.isDegraded ? 'bad' : 'good'}`}
        >${data.isDegraded ? 'degraded' : 'everything works'}</span
      >
    </p>
    ${data.problems.map(
      ({ part, code, message, since }) =>
        html`<p key=${part}><b>${part}:</b> ${message} <code>${code}</code>, since ${formatTime(since)}</p>`,
    )}
  </section>`;
}

function DrainCard(): Shown {
  const { data, reload } = usePoll<Drain>('drain', {}, REFRESH_MS);
  if (data === undefined) return null;
  const start = async (event: Event): Promise<void> => {
    const { perSecond = '0' } = fieldsOf(event);
    const text = `Nobody is let in any more, and ${perSecond} sessions a second are sent away.`;
    if (!(await confirmed('Drain this node?', text, 'Drain'))) return;
    if (await doing(ask('POST', 'drain', { body: { perSecond: Number(perSecond) } }), () => 'Draining')) reload();
  };
  const cancel = async (): Promise<void> => {
    if (await doing(ask('DELETE', 'drain'), () => 'Clients are let in again')) reload();
  };
  return html`<section class="card">
    <h2>Draining</h2>
    <p>
      ${
        data.isActive
          ? `${formatCount(data.remaining)} sessions are left; ${formatCount(data.perSecond)} a second are sent away.`
          : 'New connections are let in.'
      }
    </p>
    ${
      may('admin') &&
      (data.isActive
        ? html`<p><button onClick=${() => void cancel()}>Let clients in again</button></p>`
        : html`<form class="fields" aria-label="Drain" onSubmit=${(event: Event) => void start(event)}>
            <div class="narrow">
              <label for="per-second">Sessions a second</label>
              <input id="per-second" name="perSecond" type="number" min="0" max="100000" defaultValue="100" required />
            </div>
            <button class="danger">Drain</button>
          </form>`)
    }
  </section>`;
}

function LogCard(): Shown {
  const { data, reload } = usePoll<{ readonly level: string }>('log');
  if (data === undefined) return null;
  const set = async (level: string): Promise<void> => {
    await doing(ask('PUT', 'log', { body: { level } }), () => `Log level ${level}`);
    reload();
  };
  return html`<section class="card">
    <h2>Log</h2>
    ${
      may('admin')
        ? html`<div class="fields">
            <div class="narrow">
              <label for="level">Level, until the next start or reload</label>
              <select id="level" value=${data.level} onChange=${(event: Event) => void set(valueOf(event))}>
                ${LEVELS.map((level) => html`<option key=${level} value=${level}>${level}</option>`)}
              </select>
            </div>
            <p class="hint">From debug on every frame is logged, which slows the fast path.</p>
          </div>`
        : html`<p>Level ${data.level}</p>`
    }
  </section>`;
}

function ConfigurationCard(): Shown {
  const { data, reload } = usePoll<Readonly<Record<string, unknown>>>('config');
  const read = async (dryRun: boolean): Promise<void> => {
    const words = ({ applied, needsRestart }: Reload): string =>
      [
        applied.length === 0 ? 'nothing to take on' : `${dryRun ? 'would take on' : 'took on'} ${pathsOf(applied)}`,
        ...(needsRestart.length === 0 ? [] : [`needs a restart: ${pathsOf(needsRestart)}`]),
      ].join('; ');
    if (await doing(ask<Reload>('POST', 'config/reload', { body: { dryRun } }), words)) reload();
  };
  return html`<section class="card">
    <div class="head">
      <h2>Configuration</h2>
      <button onClick=${() => void read(true)}>What would a reload change?</button>
      <button onClick=${() => void read(false)}>Reload</button>
    </div>
    <details>
      <summary>In force, defaults filled in, secrets hidden</summary>
      <pre tabindex="0" aria-label="Configuration">${data === undefined ? '' : JSON.stringify(data, null, 2)}</pre>
    </details>
  </section>`;
}

function pathsOf(changes: readonly Change[]): string {
  return changes.map(({ path }) => path).join(', ');
}
