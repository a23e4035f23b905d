// The pool, with workers that live in this page. The calls on SockJS and Stomp are those of the original clients.
'use strict';

const WORK_MS = 2500;
const FIRST_WORKERS = 3;
let workers = 0;
let tasks = 0;
let streaming = 0;

function over() {
  const client = Stomp.over(new SockJS(new URL('ws/user-proxy', document.baseURI).href));
  client.debug = null;
  return client;
}

function startWorker(userId = String(100 + ++workers)) {
  const client = over();
  client.connect({}, () => {
    client.send('/app/user-proxy/register', {}, JSON.stringify({ userId, proxyUrl: `http://proxy-${userId}.example` }));
    client.subscribe('/user/queue/tasks', (message) => {
      const { taskId } = JSON.parse(message.body);
      setTimeout(() => client.send('/app/user-proxy/done', {}, JSON.stringify({ taskId })), WORK_MS);
    });
  });
  own.set(userId, () => {
    own.delete(userId);
    // What is not connected any more has nothing to say.
    if (client.connected) client.disconnect(() => showWorkers());
  });
}

/** By user id: how to stop those of this page. */
const own = new Map();
let control = null;

function connect({ connected, lost }) {
  control = over();
  control.connect(
    {},
    () => {
      connected();
      showState(byId('status'), 'online', 'Connected');
      control.subscribe('/topic/user-tasks', (message) => showTask(JSON.parse(message.body)));
      // Whoever was there before the connection was lost comes back under the same id.
      const before = [...own.keys()];
      if (before.length === 0 && workers === 0) for (let k = 0; k < FIRST_WORKERS; k++) startWorker();
      for (const userId of before) {
        own.get(userId)();
        startWorker(userId);
      }
    },
    lost,
  );
}

function sendTask() {
  if (control?.connected !== true) return;
  const taskId = `T${String(Date.now() % 100000)}-${++tasks}`;
  const task = { taskId, trackUrl: `https://music.example/track/${tasks}`, quantity: 1 + (tasks % 5) };
  control.send('/app/user-proxy/task', {}, JSON.stringify(task));
}

function showTask({ taskId, trackUrl, quantity }) {
  const item = element('li', `${taskId}: ${quantity} × ${trackUrl}`);
  item.append(element('time', new Date().toLocaleTimeString()));
  byId('tasks').prepend(item);
  while (byId('tasks').children.length > 8) byId('tasks').lastChild.remove();
  void showWorkers();
}

async function showWorkers() {
  const answer = await fetch('api/proxy/workers').catch(() => null);
  if (answer?.ok !== true) return;
  const { workers } = await answer.json();
  workers.sort((a, b) => a.userId.localeCompare(b.userId));
  byId('workers').replaceChildren(...workers.map(workerCard));
}

function workerCard({ userId, healthy, transport, silentForMs, tasks, proxyUrl }) {
  const card = document.createElement('li');
  card.className = 'card worker';
  card.innerHTML =
    '<div class="row"><h3></h3><span class="badge"></span></div><p class="faint"></p><div class="dots"></div>';
  card.querySelector('h3').textContent = userId;
  const badge = card.querySelector('.badge');
  badge.textContent = healthy ? 'healthy' : 'silent';
  badge.classList.toggle('sick', !healthy);
  card.querySelector('p').textContent = `${transport}, heard ${Math.round(silentForMs / 1000)} s ago. ${proxyUrl}`;
  card.querySelector('.dots').append(...tasks.map((task) => element('span', task)));
  const stop = own.get(userId);
  if (stop !== undefined) {
    const button = element('button', 'Stop');
    button.setAttribute('aria-label', `Stop worker ${userId}`);
    button.addEventListener('click', stop);
    card.append(button);
  }
  return card;
}

byId('task').addEventListener('click', sendTask);
byId('add').addEventListener('click', () => startWorker());
byId('stream').addEventListener('click', (event) => {
  if (streaming === 0) streaming = setInterval(sendTask, 1000);
  else {
    clearInterval(streaming);
    streaming = 0;
  }
  event.target.setAttribute('aria-pressed', String(streaming !== 0));
});
setInterval(showWorkers, 1000);
keepConnected(connect);
