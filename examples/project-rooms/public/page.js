// The task board of one project, over the browser's own WebSocket.
'use strict';

const PROJECT = 'stable';
const NAMES = ['Ann', 'Bob', 'Carol', 'Dan', 'Eve', 'Finn', 'Gwen', 'Hugh'];
const COLUMNS = ['todo', 'doing', 'done'];
const me = `${NAMES[Math.floor(Math.random() * NAMES.length)]} ${Math.floor(Math.random() * 90) + 10}`;
const people = new Set();
const tasks = new Map();
let token = '';

async function connect({ connected, lost }) {
  token = (await post('api/demo/token', { userId: me })).token;
  const url = new URL('ws/connect', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  url.searchParams.set('token', token);
  const ws = new WebSocket(url);
  ws.onmessage = (event) => onMessage(ws, JSON.parse(event.data), connected);
  ws.onclose = lost;
}

function onMessage(ws, { type, data }, connected) {
  switch (type) {
    case 'auth_success': {
      connected();
      showState(byId('status'), 'online', data.user_id);
      const subscription = { action: 'subscribe', project_id: PROJECT };
      ws.send(JSON.stringify({ type: 'subscription', data: subscription, timestamp: new Date().toISOString() }));
      break;
    }
    case 'subscription':
      people.clear();
      for (const name of data.users) people.add(name);
      void load();
      break;
    case 'user_joined':
      people.add(data.user_id);
      tell(`${data.user_id} has come`);
      break;
    case 'user_left':
      people.delete(data.user_id);
      tell(`${data.user_id} has gone`);
      break;
    case 'task_created':
      tasks.set(data.task.id, data.task);
      tell(`New: ${data.task.title}`);
      break;
    case 'task_updated':
      tasks.set(data.task_id, data.task);
      tell(
        `${data.task.title}: ${Object.entries(data.changes).map(([name, { old, new: next }]) => `${name} ${old} → ${next}`)}`,
      );
      break;
    case 'task_deleted':
      tasks.delete(data.task_id);
      break;
    case 'error':
      tell(data.message);
  }
  draw();
}

function tell(text) {
  byId('news').textContent = text;
}

/** Null, and a word to the user, when it did not work. */
async function call(path, method = 'GET', body = undefined) {
  const answer = await fetch(`api/v1/projects/${PROJECT}/tasks${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  }).catch(() => null);
  if (answer?.ok === true) return answer;
  tell(answer === null ? 'The server cannot be reached: try again in a moment' : `Refused: ${answer.status}`);
  return null;
}

async function load() {
  const answer = await call('');
  if (answer === null) return;
  tasks.clear();
  for (const task of await answer.json()) tasks.set(task.id, task);
  draw();
}

function draw() {
  byId('people').replaceChildren(...[...people].map((name) => element('li', name, name === me ? 'me' : '')));
  for (const column of COLUMNS) {
    byId(column).replaceChildren(...[...tasks.values()].filter(({ status }) => status === column).map(card));
  }
}

function card({ id, title, status }) {
  const item = element('li');
  item.append(element('span', title));
  const button = (text, name, act) => {
    const made = element('button', text);
    made.setAttribute('aria-label', `${name}: ${title}`);
    made.addEventListener('click', act);
    item.append(made);
  };
  const at = COLUMNS.indexOf(status);
  if (at > 0) button('←', 'Back', () => call(`/${id}`, 'PATCH', { status: COLUMNS[at - 1] }));
  if (at < 2) button('→', 'On', () => call(`/${id}`, 'PATCH', { status: COLUMNS[at + 1] }));
  else button('×', 'Delete', () => call(`/${id}`, 'DELETE'));
  return item;
}

byId('add').addEventListener('submit', async (event) => {
  event.preventDefault();
  if ((await call('', 'POST', { title: byId('title').value })) !== null) byId('title').value = '';
});
keepConnected(connect);
