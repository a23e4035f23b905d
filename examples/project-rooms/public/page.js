// The task board of one project, over the browser's own WebSocket.
'use strict';

const byId = (id) => document.getElementById(id);
const PROJECT = 'stable';
const NAMES = ['Ann', 'Bob', 'Carol', 'Dan', 'Eve', 'Finn', 'Gwen', 'Hugh'];
const COLUMNS = ['todo', 'doing', 'done'];
const me = `${NAMES[Math.floor(Math.random() * NAMES.length)]} ${Math.floor(Math.random() * 90) + 10}`;
const people = new Set();
const tasks = new Map();
let token = '';
let delayMs = 500;

async function connect() {
  const answer = await fetch('api/demo/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId: me }),
  });
  token = (await answer.json()).token;
  const url = new URL('ws/connect', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  url.searchParams.set('token', token);
  const ws = new WebSocket(url);
  ws.onmessage = (event) => onMessage(ws, JSON.parse(event.data));
  ws.onclose = () => {
    show('lost', 'Connecting again…');
    setTimeout(connect, delayMs * (0.5 + Math.random()));
    delayMs = Math.min(delayMs * 2, 30000);
  };
}

function onMessage(ws, { type, data }) {
  switch (type) {
    case 'auth_success': {
      delayMs = 500;
      show('online', data.user_id);
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

function show(state, text) {
  byId('status').dataset.state = state;
  byId('status').textContent = text;
}

function tell(text) {
  byId('news').textContent = text;
}

function call(path, method = 'GET', body = undefined) {
  return fetch(`api/v1/projects/${PROJECT}/tasks${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
}

async function load() {
  tasks.clear();
  for (const task of await (await call('')).json()) tasks.set(task.id, task);
  draw();
}

function draw() {
  byId('people').replaceChildren(
    ...[...people].map((name) => {
      const item = document.createElement('li');
      item.textContent = name;
      item.className = name === me ? 'me' : '';
      return item;
    }),
  );
  for (const column of COLUMNS) {
    byId(column).replaceChildren(...[...tasks.values()].filter(({ status }) => status === column).map(card));
  }
}

function card({ id, title, status }) {
  const item = document.createElement('li');
  const label = document.createElement('span');
  label.textContent = title;
  item.append(label);
  const button = (text, name, act) => {
    const made = document.createElement('button');
    made.textContent = text;
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
  await call('', 'POST', { title: byId('title').value });
  byId('title').value = '';
});
void connect();
