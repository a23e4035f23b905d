/** One session: where it comes from, how it goes, what it listens to. */
import type { Session } from '../api-types.js';
import { describe } from '../dialogs.js';
import { formatBeat, formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { html, type Shown } from '../html.js';
import { Facts } from '../parts/facts.js';
import { Subscriptions } from '../parts/subscriptions.js';
import { usePoll } from '../poll.js';
import { may } from '../roles.js';
import { goTo, linkTo } from '../router.js';
import { disconnect } from './connections.js';
import type { ViewProps } from './view.js';

const REFRESH_MS = 2_000;

export function SessionView({ path: [id = ''] }: ViewProps): Shown {
  const { data: session, error } = usePoll<Session>(`sessions/${encodeURIComponent(id)}`, {}, REFRESH_MS);
  if (error !== undefined) {
    return html`<p class="banner" role="alert">
      ${describe(error)}: it has ended, or is on another node. <a href=${linkTo(['connections'])}>All connections</a>
    </p>`;
  }
  if (session === undefined) return html`<p class="hint">Loading…</p>`;
  const { user } = session;
  return html`
    <section class="card">
      <div class="head">
        <h2>Session</h2>
        ${
          may('operator') &&
          html`<a class="button" href=${linkTo(['tap'], { session: id })}>Tap its frames</a>
            <button
              class="danger"
              onClick=${async () => {
                if (await disconnect(session)) goTo(['connections']);
              }}
            >
              Disconnect
            </button>`
        }
      </div>
      <${Facts}
        facts=${[
          ['User', user === null ? 'anonymous' : html`<a href=${linkTo(['users', user])}>${user}</a>`],
          ['Roles', session.roles.join(', ')],
          ['State', session.state],
          ['Address', session.remoteAddress],
          ['Transport', session.transport],
          ['STOMP', session.version],
          ['Client id', session.clientId],
          ['Session id', html`<code>${session.id}</code>`],
          ['Connected', formatTime(session.connectedAt)],
          ['Heard from', `${formatDuration(session.silentForMs)} ago`],
          ['Written to', `${formatDuration(session.writtenAgoMs)} ago`],
          ['Heart-beats of the server', formatBeat(session.heartBeat.sendMs)],
          ['Heart-beats of the client', formatBeat(session.heartBeat.receiveMs)],
          ['Waiting in the outbox', formatBytes(session.queuedBytes)],
          ['Waiting in the transport', formatBytes(session.transportBytes)],
          ['Subscriptions', formatCount(session.subscriptions)],
        ]}
      />
    </section>
    <section class="card">
      <h2>Subscriptions</h2>
      <${Subscriptions} filters=${{ session: id }} without="session" />
    </section>
  `;
}
