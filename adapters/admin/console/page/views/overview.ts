/** How it goes: numbers of now, charts of the last minutes, nodes side by side, what happened. */
import type { Health } from '../api-types.js';
import { Chart, type Line } from '../chart.js';
import type { BrokerEvent } from '../feed-types.js';
import { formatBytes, formatCount, formatDuration, formatRate, formatTime, plural } from '../format.js';
import { html, type Shown } from '../html.js';
import { feedState, type Live, live } from '../live.js';
import { MemoryTile } from '../parts/memory-tile.js';
import { Tile } from '../parts/tile.js';
import { Workers } from '../parts/workers.js';
import { usePoll } from '../poll.js';
import { linkTo } from '../router.js';
import type { RateName } from '../samples.js';
import { useValue } from '../state.js';

const MAX_EVENTS_SHOWN = 12;
/** More lines in one chart say nothing. */
const MAX_NODE_LINES = 6;

export function OverviewView(): Shown {
  const now = useValue(live);
  const feed = useValue(feedState);
  const { data: health } = usePoll<Health>('health', {}, 5_000);
  return html`
    <${Problems} health=${health} draining=${now.stats?.drain.isActive === true} />
    <${Tiles} now=${now} />
    <${Workers} workers=${now.stats?.server.workerProcesses ?? []} cpuPercents=${now.workerPercents} />
    <${Charts} now=${now} />
    <${Nodes} now=${now} />
    <section class="card">
      <h2>What happened</h2>
      ${
        feed === 'live'
          ? html`<${Events} events=${now.events} />`
          : html`<p class="hint">Events come by STOMP, which is not connected at the moment.</p>`
      }
    </section>
  `;
}

function Problems({ health, draining }: { readonly health: Health | undefined; readonly draining: boolean }): Shown {
  if (health === undefined || (!health.isDegraded && health.isReady && !draining)) return null;
  return html`<section class="banner bad" aria-label="Problems">
    ${draining && html`<p><b>Draining.</b> New connections are not let in.</p>`}
    ${!health.isReady && !draining && html`<p><b>Not ready.</b> Load balancers send nobody here.</p>`}
    ${health.problems.map(
      ({ part, code, message, since }) =>
        html`<p key=${part}><b>${part}:</b> ${message} <code>${code}</code>, since ${formatTime(since)}</p>`,
    )}
  </section>`;
}

function Tiles({ now }: { readonly now: Live }): Shown {
  const { stats, rates, process } = now;
  const of = rates.rates;
  const rate = (name: RateName): string => (of === null ? '…' : formatRate(of[name]));
  const delay = stats?.server.eventLoopDelay;
  return html`<section class="tiles" aria-label="Now">
    <${Tile}
      name="sessions"
      label="Sessions"
      value=${of === null ? '…' : formatCount(of.sessions)}
      href=${linkTo(['connections'])}
      hint=${of === null ? '' : plural(of.subscriptions, 'subscription')}
    />
    <${Tile}
      name="users"
      label="Users"
      value=${stats === null ? '…' : formatCount(stats.users)}
      href=${linkTo(['users'])}
      hint="on this node"
    />
    <${Tile} name="messagesIn" label="Messages in" value=${rate('messagesIn')} hint="a second" />
    <${Tile} name="framesOut" label="Frames out" value=${rate('framesOut')} hint="a second" />
    <${Tile}
      name="outbox"
      label="Waiting for clients"
      value=${stats === null ? '…' : formatBytes(process.last('outboxBytes'))}
      hint=${stats === null ? '' : `largest ${formatBytes(stats.outbox.largestBytes)}`}
    />
    <${MemoryTile} stats=${stats} />
    <${Tile}
      name="delay"
      label="Event-loop delay"
      value=${delay === undefined ? '…' : `${formatRate(delay.recentP99Ms)} ms`}
      hint=${delay === undefined ? '' : `longest ever ${formatRate(delay.maxMs)} ms`}
    />
    <${Tile}
      name="uptime"
      label="Up"
      value=${stats === null ? '…' : formatDuration(stats.server.uptimeMs)}
      hint=${stats === null ? '' : `hoofbeat ${stats.server.version}`}
    />
  </section>`;
}

function Charts({ now: { rates, process, stats, tick } }: { readonly now: Live }): Shown {
  const { together } = rates;
  const hasWorkers = (stats?.server.workerProcesses.length ?? 0) > 0;
  return html`<section class="charts" aria-label="Charts">
    <${Chart}
      title="Messages a second"
      time=${together.of('time')}
      tick=${tick}
      format=${formatRate}
      lines=${
        [
          { label: 'messages in', values: together.of('messagesIn') },
          { label: 'frames out', values: together.of('framesOut') },
        ] satisfies Line[]
      }
    />
    <${Chart}
      title="Sessions"
      time=${together.of('time')}
      tick=${tick}
      format=${formatCount}
      lines=${
        [
          { label: 'sessions', values: together.of('sessions') },
          { label: 'subscriptions', values: together.of('subscriptions') },
        ] satisfies Line[]
      }
    />
    <${Chart}
      title="Waiting for clients"
      time=${process.of('time')}
      tick=${tick}
      format=${formatBytes}
      lines=${[{ label: 'outboxes', values: process.of('outboxBytes') }] satisfies Line[]}
    />
    <${Chart}
      title="Memory of this node"
      time=${process.of('time')}
      tick=${tick}
      format=${formatBytes}
      lines=${
        [
          { label: 'process', values: process.of('rssBytes') },
          { label: 'heap', values: process.of('heapBytes') },
          ...(hasWorkers ? [{ label: 'workers', values: process.of('workersBytes') }] : []),
        ] satisfies Line[]
      }
    />
    <${Chart}
      title="Event-loop delay (99 %)"
      time=${process.of('time')}
      tick=${tick}
      format=${(ms: number) => `${formatRate(ms)} ms`}
      lines=${[{ label: 'delay', values: process.of('delayMs') }] satisfies Line[]}
    />
    <${Chart}
      title="Processor time"
      time=${process.of('time')}
      tick=${tick}
      format=${(percent: number) => `${formatRate(percent)} %`}
      lines=${[{ label: 'of one processor', values: process.of('cpuPercent') }] satisfies Line[]}
    />
  </section>`;
}

/** Only where there are several. */
function Nodes({ now: { rates, tick } }: { readonly now: Live }): Shown {
  const { nodes } = rates;
  if (nodes.length < 2) return null;
  const shown = nodes.slice(0, MAX_NODE_LINES);
  const chart = (title: string, name: RateName, format: (value: number) => string): Shown => {
    // Nodes tick one after the other: their last points are drawn as of the same moments.
    const length = Math.min(...shown.map(({ points }) => points.of('time').length));
    const time = shown[0]?.points.of('time') ?? [];
    return html`<${Chart}
      title=${title}
      tick=${tick}
      format=${format}
      time=${time.slice(time.length - length)}
      lines=${shown.map(({ node, points }) => {
        const values = points.of(name);
        return { label: node, values: values.slice(values.length - length) };
      })}
    />`;
  };
  return html`<section class="charts" aria-label="Nodes">
    ${chart('Sessions by node', 'sessions', formatCount)}
    ${chart('Frames out a second by node', 'framesOut', formatRate)}
  </section>`;
}

function Events({ events }: { readonly events: readonly BrokerEvent[] }): Shown {
  if (events.length === 0) return html`<p class="hint">Nothing yet.</p>`;
  return html`<ul class="events">
    ${events.slice(0, MAX_EVENTS_SHOWN).map(
      (event) =>
        html`<li key=${`${String(event.time)} ${event.type} ${event.node}`}>
          <time>${formatTime(event.time)}</time> <code>${event.type}</code> ${`${wordsOf(event)} `}
          <span class="hint">${event.node}</span>
        </li>`,
    )}
  </ul>`;
}

function wordsOf({ type, count, peer, ok }: BrokerEvent): string {
  if (type === 'health') return ok === true ? 'everything works' : 'something does not work';
  if (peer !== undefined) return peer;
  return count === undefined ? '' : formatCount(count);
}
