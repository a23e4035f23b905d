// The list of jobs, over the browser's own WebSocket.
'use strict';

const shown = new Map();

async function token(userId, admin = false) {
  return (await post('api/demo/token', { userId, admin })).token;
}

async function connect({ connected, lost }) {
  const url = new URL('ws/job-status-native', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  url.searchParams.set('token', await token('ann'));
  const ws = new WebSocket(url);
  ws.onmessage = (event) => onMessage(ws, JSON.parse(event.data), connected);
  ws.onclose = lost;
}

function onMessage(ws, message, connected) {
  switch (message.type) {
    case 'connection_established':
      connected();
      showState(byId('status'), 'online', message.username);
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
    const answer = await fetch('api/demo/jobs').catch(() => null);
    if (answer?.ok !== true) return;
    const running = await answer.json();
    // A server that was started again knows nothing of what is still shown.
    for (const [jobId, item] of shown) {
      if (running.includes(jobId)) continue;
      item.remove();
      shown.delete(jobId);
    }
    for (const jobId of running) {
      if (!watched.has(jobId)) ws.send(JSON.stringify({ type: 'subscribe_job', jobId }));
      watched.add(jobId);
    }
  };
  const timer = setInterval(look, 2000);
  await look();
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
  const item = element('li');
  item.append(element('span', `${jobId}: ${text}`, kind), element('time', new Date().toLocaleTimeString()));
  byId('done').prepend(item);
  while (byId('done').children.length > 6) byId('done').lastChild.remove();
}

function notice({ message, level }) {
  const line = element('p', message, 'notice');
  line.dataset.level = level;
  byId('notices').append(line);
  setTimeout(() => line.remove(), 8000);
}

byId('notify').addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const headers = { Authorization: `Bearer ${await token('root', true)}` };
    await post('api/v1/websocket/broadcast/system', { message: byId('text').value, level: 'info' }, headers);
    byId('text').value = '';
  } catch {
    notice({ message: 'The server cannot be reached: try again in a moment', level: 'error' });
  }
});
keepConnected(connect);
