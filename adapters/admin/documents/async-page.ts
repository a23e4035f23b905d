/** The AsyncAPI document as a page for people. Made on the server; the browser only shows a token and puts it in. */
import type { AsyncApiDocument, AsyncChannel, AsyncOperation } from './asyncapi.js';

export const ASYNC_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hoofbeat: destinations</title>
<link rel="stylesheet" href="async/page.css">
<script src="async/page.js" defer></script>
</head>
<body>
<main>
<h1>Destinations of this server</h1>
<form id="login">
<label>Admin token <input id="token" type="password" autocomplete="off" required></label>
<button>Show</button>
</form>
<p id="problem" role="alert"></p>
<div id="document"></div>
</main>
</body>
</html>
`;

/** The token stays in this page: it is neither in the address nor kept. */
export const ASYNC_SCRIPT = `document.getElementById('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const problem = document.getElementById('problem');
  const shown = document.getElementById('document');
  const token = document.getElementById('token').value;
  const answer = await fetch('async/content', { headers: { authorization: 'Bearer ' + token } });
  if (answer.ok) {
    problem.textContent = '';
    shown.innerHTML = await answer.text();
    event.target.hidden = true;
  } else {
    problem.textContent = (await answer.json()).title;
  }
});
`;

export const ASYNC_STYLE = `:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
code, pre { font: 14px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: #8882; padding: .6rem; overflow: auto; margin: .3rem 0; }
input, button { font: inherit; padding: .3rem .6rem; }
#problem:empty { display: none; }
`;

/** All that comes from the application or its configuration is escaped. */
export function asyncContent(document: AsyncApiDocument): string {
  const { info, servers, channels, operations } = document;
  return [
    `<p>${escape(info.description)}</p>`,
    '<h2>Where to connect</h2>',
    table(
      ['Address', ''],
      Object.values(servers).map(({ host, protocol, pathname = '', description }) => [
        code(`${protocol}://${host}${pathname}`),
        escape(description),
      ]),
    ),
    '<h2>What clients send</h2>',
    operationTable('receive', channels, operations),
    '<h2>What clients get</h2>',
    operationTable('send', channels, operations),
  ].join('\n');
}

function operationTable(
  action: AsyncOperation['action'],
  channels: Readonly<Record<string, AsyncChannel>>,
  operations: Readonly<Record<string, AsyncOperation>>,
): string {
  const at = ({ $ref }: { readonly $ref: string }): AsyncChannel | undefined =>
    channels[$ref.replace('#/channels/', '')];
  const rows = Object.values(operations)
    .filter((operation) => operation.action === action)
    .map((operation) => {
      const channel = at(operation.channel);
      const reply = operation['reply'] as { readonly channel: { readonly $ref: string } } | undefined;
      const answered = reply === undefined ? '' : `<br>Answered on ${code(at(reply.channel)?.address ?? '')}`;
      return [
        code(channel?.address ?? ''),
        `${escape(channel?.description ?? '')}. ${escape(operation.summary)}.${answered}${payload(channel)}`,
      ];
    });
  return table(['Destination', ''], rows);
}

function payload(channel: AsyncChannel | undefined): string {
  const messages = (channel?.['messages'] ?? {}) as Readonly<Record<string, { readonly payload?: object }>>;
  const schema = Object.values(messages)[0]?.payload ?? {};
  return Object.keys(schema).length === 0 ? '' : `<pre>${escape(JSON.stringify(schema, null, 2))}</pre>`;
}

/** @param rows HTML */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const heads = head.map((each) => `<th scope="col">${each}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${heads}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

function code(text: string): string {
  return `<code>${escape(text)}</code>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
