// The list of jobs, over the browser's own WebSocket.
'use strict';

const byId = (id) => document.getElementById(id);
const shown = new Map();
let delayMs = 500;

async function token(userId, admin = false) {
  const answer = await fetch('api/demo/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId, admin }),
  });
  return (await answer.json()).token;
}

async function connect() {
  const url = new URL('ws/job-status-native', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  url.searchParams.set('token', await token('ann'));
  const ws = new WebSocket(url);
  ws.onmessage = (event) => onMessage(ws, JSON.parse(event.data));
  ws.onclose = () => {
    show('lost', 'Connecting again…');
    setTimeout(connect, delayMs * (0.5 + Math.random()));
    delayMs = Math.min(delayMs * 2, 30000);
  };
}

function onMessage(ws, message) {
  switch (message.type) {
    case 'connection_established':
      delayMs = 500;
      show('online', message.username);
      // Which jobs there are is for the application to tell; this one has a list.
      void watch(ws);
      break;
    case 'job_status_update':
      draw(message);
      break;
    case 'job_completed':
      finish(message.jobId, message.result.title, '');
      break;
    case 'job_error':
      finish(message.jobId, message.error.message, 'failed');
      break;
    case 'system_notification':
    case 'maintenance_notification':
      notice(message);
  }
}

const watched = new Set();
async function watch(ws) {
  watched.clear();
  const look = async () => {
    if (ws.readyState !== WebSocket.OPEN) return clearInterval(timer);
    for (const jobId of await (await fetch('api/demo/jobs')).json()) {
      if (!watched.has(jobId)) ws.send(JSON.stringify({ type: 'subscribe_job', jobId }));
      watched.add(jobId);
    }
  };
  const timer = setInterval(look, 2000);
  await look();
}

function show(state, text) {
  byId('status').dataset.state = state;
  byId('status').textContent = text;
}

function draw({ jobId, data }) {
  let item = shown.get(jobId);
  if (item === undefined) {
    item = document.createElement('li');
    item.innerHTML = '<strong></strong><progress max="100"></progress><span></span><p class="faint"></p>';
    item.querySelector('strong').textContent = jobId;
    item.querySelector('progress').setAttribute('aria-label', jobId);
    shown.set(jobId, item);
    byId('jobs').append(item);
  }
  item.querySelector('progress').value = data.progress;
  item.querySelector('span').textContent = `${data.progress} %`;
  item.querySelector('p').textContent = `${data.title ?? ''} – ${data.message}`;
}

function finish(jobId, text, kind) {
  shown.get(jobId)?.remove();
  shown.delete(jobId);
  const [item, label, time] = ['li', 'span', 'time'].map((name) => document.createElement(name));
  label.textContent = `${jobId}: ${text}`;
  label.className = kind;
  time.textContent = new Date().toLocaleTimeString();
  item.append(label, time);
  byId('done').prepend(item);
  while (byId('done').children.length > 6) byId('done').lastChild.remove();
}

function notice({ message, level }) {
  const line = document.createElement('p');
  line.className = 'notice';
  line.dataset.level = level;
  line.textContent = message;
  byId('notices').append(line);
  setTimeout(() => line.remove(), 8000);
}

byId('notify').addEventListener('submit', async (event) => {
  event.preventDefault();
  await fetch('api/v1/websocket/broadcast/system', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await token('root', true)}` },
    body: JSON.stringify({ message: byId('text').value, level: 'info' }),
  });
  byId('text').value = '';
});
void connect();
