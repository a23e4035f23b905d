/** What waits in a queue, message by message, without taking anything. */
import { ask } from '../api.js';
import type { QueueMessage } from '../api-types.js';
import { confirmed, describe, doing } from '../dialogs.js';
import { formatBytes, formatTime, plural } from '../format.js';
import { html, type Shown } from '../html.js';
import { move } from '../parts/move-messages.js';
import { Pager, usePages } from '../parts/pager.js';
import { usePoll } from '../poll.js';

export interface QueueMessagesProps {
  readonly queue: string;
  readonly depth: number;
  readonly onDone: () => void;
}

interface Messages {
  readonly items: readonly QueueMessage[];
  readonly next: string | null;
}

const PAGE_SIZE = 20;

export function QueueMessages({ queue, depth, onDone }: QueueMessagesProps): Shown {
  const pages = usePages();
  const path = `queues/${encodeURIComponent(queue)}/messages`;
  const { data, error, reload } = usePoll<Messages>(depth === 0 ? null : path, {
    limit: PAGE_SIZE,
    cursor: pages.cursor,
  });
  if (depth === 0) return html`<p class="hint">Nothing waits here.</p>`;
  if (error !== undefined) return html`<p class="problem" role="alert">${describe(error)}</p>`;
  const { items = [], next = null } = data ?? {};
  return html`
    <div class="messages">
      ${items.map((message) => html`<${Message} key=${message.number} queue=${queue} message=${message} onDone=${onDone} />`)}
    </div>
    <${Pager} pages=${pages} next=${next}>
      <span class="hint">${`Page ${String(pages.number)}, in the order of delivery`}</span>
      <button onClick=${reload}>Look again</button>
    <//>
  `;
}

interface MessageProps {
  readonly queue: string;
  readonly message: QueueMessage;
  readonly onDone: () => void;
}

function Message({ queue, message, onDone }: MessageProps): Shown {
  const { number, messageId, priority, deliveries, isStored, expiresAt, headers, body, encoding, bodyBytes, isCut } =
    message;
  const origin = headers.find(([name]) => name === 'original-destination')?.[1];
  const remove = async (): Promise<void> => {
    if (!(await confirmed('Delete this message?', `${messageId} is dropped for good.`, 'Delete'))) return;
    const path = `queues/${encodeURIComponent(queue)}/messages/${String(number)}`;
    if (await doing(ask('DELETE', path), () => `${messageId} was deleted`)) onDone();
  };
  const back = async (): Promise<void> => {
    if (await move(queue, undefined, [number])) onDone();
  };
  return html`<article class="message" aria-label=${messageId}>
    <div class="head">
      <h3 class="mono">${messageId}</h3>
      <span class="hint"
        >${formatBytes(bodyBytes)}${deliveries === 0 ? '' : `, delivered ${plural(deliveries, 'time')}`}</span
      >
      ${priority !== 4 && html`<span class="badge">priority ${priority}</span>`}
      ${isStored && html`<span class="badge">stored</span>`}
      ${expiresAt !== null && html`<span class="hint">expires ${formatTime(expiresAt)}</span>`}
      <span class="buttons">
        ${origin !== undefined && html`<button class="small" title=${origin} onClick=${() => void back()}>Move back</button>`}
        <button class="small danger" onClick=${() => void remove()}>Delete</button>
      </span>
    </div>
    <pre class="headers" tabindex="0" aria-label="Headers">
${headers.map(([name, value]) => `${name}: ${value}\n`).join('')}</pre>
    <pre tabindex="0" aria-label="Body">${body}</pre>
    ${
      (isCut || encoding === 'base64') &&
      html`<p class="hint">
        ${[encoding === 'base64' ? 'Not text: shown as base64.' : '', isCut ? 'Only the beginning is shown.' : ''].join(' ')}
      </p>`
    }
  </article>`;
}
