/** One queue: what it holds, who takes from it, and emptying or moving it. */
import { useState } from 'preact/hooks';
import { ApiError, ask } from '../api.js';
import type { Queue } from '../api-types.js';
import { confirmed, describe, doing } from '../dialogs.js';
import { formatBytes, formatCount, plural } from '../format.js';
import { fieldsOf, html, type Shown } from '../html.js';
import { Facts } from '../parts/facts.js';
import { move } from '../parts/move-messages.js';
import { Publish } from '../parts/publish.js';
import { Subscriptions } from '../parts/subscriptions.js';
import { usePoll } from '../poll.js';
import { may } from '../roles.js';
import { linkTo } from '../router.js';
import { QueueMessages } from './queue-messages.js';
import type { ViewProps } from './view.js';

const REFRESH_MS = 2_000;

export function QueueView({ path: [name = ''] }: ViewProps): Shown {
  const path = `queues/${encodeURIComponent(name)}`;
  const { data: queue, error, reload } = usePoll<Queue>(path, {}, REFRESH_MS);
  /** Changes when the list of messages is to be read again. */
  const [turn, setTurn] = useState(0);
  const changed = (): void => {
    setTurn((before) => before + 1);
    reload();
  };
  const isGone = error instanceof ApiError && error.status === 404;
  return html`
    <section class="card">
      <div class="head">
        <h2>Queue</h2>
        ${
          may('operator') &&
          html`<a class="button" href=${linkTo(['tap'], { destination: name })}>Tap frames</a>
            <button class="danger" disabled=${queue === undefined} onClick=${() => void purge(name, changed)}>
              Purge
            </button>`
        }
      </div>
      ${error !== undefined && html`<p class=${isGone ? 'hint' : 'problem'}>${describe(error)}</p>`}
      ${queue !== undefined && html`<${QueueFacts} queue=${queue} />`}
    </section>
    ${
      may('operator') &&
      html`<section class="card">
        <h2>Messages</h2>
        ${queue !== undefined && html`<${Moving} name=${name} onDone=${changed} />`}
        <${QueueMessages} key=${turn} queue=${name} depth=${queue?.depth ?? 0} onDone=${changed} />
      </section>`
    }
    <section class="card">
      <h2>Consumers</h2>
      <${Subscriptions} filters=${{ destination: name }} without="destination" />
    </section>
    ${
      may('operator') &&
      html`<section class="card">
        <h2>Publish</h2>
        <${Publish} destination=${name} onDone=${changed} />
      </section>`
    }
  `;
}

function QueueFacts({ queue }: { readonly queue: Queue }): Shown {
  const { deadLetter } = queue;
  return html`<${Facts}
    facts=${[
      ['Waiting', html`<b data-depth>${formatCount(queue.depth)}</b>`],
      ['Size', formatBytes(queue.bytes)],
      ['Of these delayed', formatCount(queue.delayed)],
      ['Delivered and not settled', formatCount(queue.unsettled)],
      ['Consumers', formatCount(queue.consumers)],
      ['Stored', queue.isDurable ? 'every message' : 'messages with persistent:true'],
      [
        'Dead letters to',
        deadLetter === null ? null : html`<a class="mono" href=${linkTo(['queues', deadLetter])}>${deadLetter}</a>`,
      ],
    ]}
  />`;
}

function Moving({ name, onDone }: { readonly name: string; readonly onDone: () => void }): Shown {
  const moveAll = async (target: string | undefined): Promise<void> => {
    const where = target ?? 'where each was sent first (dead letters know it)';
    if (!(await confirmed('Move all messages?', `Everything that waits goes to ${where}.`, 'Move'))) return;
    if (await move(name, target)) onDone();
  };
  return html`<form
    class="fields"
    aria-label="Move all messages"
    onSubmit=${(event: Event) => {
      const { target = '' } = fieldsOf(event);
      if (target !== '') void moveAll(target);
    }}
  >
    <div>
      <label for="move-target">Move all to</label>
      <input id="move-target" name="target" spellcheck=${false} placeholder="/queue/other" required />
    </div>
    <button>Move all</button>
    <button type="button" onClick=${() => void moveAll(undefined)}>Move dead letters back</button>
  </form>`;
}

async function purge(name: string, onDone: () => void): Promise<void> {
  const text = `Everything that waits in ${name} is dropped for good. What consumers have stays theirs.`;
  if (!(await confirmed('Purge this queue?', text, 'Purge'))) return;
  const path = `queues/${encodeURIComponent(name)}/messages`;
  const isDone = await doing(
    ask<{ readonly purged: number }>('DELETE', path),
    ({ purged }) => `${plural(purged, 'message')} dropped`,
  );
  if (isDone) onDone();
}
