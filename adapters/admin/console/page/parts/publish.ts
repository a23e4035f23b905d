/** Sends a message by the admin API: to a destination, or to all sessions of a user. */
import { ask } from '../api.js';
import { doing } from '../dialogs.js';
import { fieldsOf, html, type Shown } from '../html.js';
import { parseHeaders } from './header-lines.js';

export interface PublishProps {
  /** Fixed; missing: whoever sends names it. */
  readonly destination?: string;
  /** Then the destination is behind `/user`. */
  readonly user?: string;
  readonly onDone?: () => void;
}

export function Publish({ destination, user, onDone }: PublishProps): Shown {
  const submit = async (event: Event): Promise<void> => {
    const { to = destination ?? '', body = '', headers = '', type = '' } = fieldsOf(event);
    const path = user === undefined ? 'messages' : `users/${encodeURIComponent(user)}/messages`;
    const contentType = type === 'json' ? { 'content-type': 'application/json' } : {};
    // As it was typed: JSON too, so that numbers and blanks stay what they are.
    const sent = { destination: to, body, headers: { ...contentType, ...parseHeaders(headers) } };
    const isSent = await doing(ask('POST', path, { body: sent }), () =>
      `Sent to ${user ?? ''} ${to}`.replace('  ', ' '),
    );
    if (isSent) onDone?.();
  };
  return html`<form class="fields" aria-label="Send a message" onSubmit=${(event: Event) => void submit(event)}>
    ${
      destination === undefined &&
      html`<div class="wide">
        <label for="publish-to">${user === undefined ? 'Destination' : 'Destination behind /user'}</label>
        <input
          id="publish-to"
          name="to"
          required
          spellcheck=${false}
          defaultValue=${user === undefined ? '' : '/queue/notices'}
        />
      </div>`
    }
    <div class="wide">
      <label for="publish-body">Body</label>
      <textarea id="publish-body" name="body" rows="3"></textarea>
    </div>
    <div class="wide">
      <label for="publish-headers">Further headers, one a line (name: value)</label>
      <textarea id="publish-headers" name="headers" rows="1" spellcheck=${false}></textarea>
    </div>
    <div class="narrow">
      <label for="publish-type">The body is</label>
      <select id="publish-type" name="type">
        <option value="text">text</option>
        <option value="json">JSON</option>
      </select>
    </div>
    <button class="primary">Send</button>
  </form>`;
}
