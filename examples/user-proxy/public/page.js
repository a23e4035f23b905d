// The pool, with workers that live in this page. The calls on SockJS and Stomp are those of the original clients.
'use strict';

const byId = (id) => document.getElementById(id);
const WORK_MS = 2500;
let workers = 0;
let tasks = 0;
let streaming = 0;

function over() {
  const client = Stomp.over(new SockJS(new URL('ws/user-proxy', document.baseURI).href));
  client.debug = null;
  return client;
}

function startWorker() {
  const userId = String(100 + ++workers);
  const client = over();
  client.connect({}, () => {
    client.send('/app/user-proxy/register', {}, JSON.stringify({ userId, proxyUrl: `http://proxy-${userId}.example` }));
    client.subscribe('/user/queue/tasks', (message) => {
      const { taskId } = JSON.parse(message.body);
      setTimeout(() => client.send('/app/user-proxy/done', {}, JSON.stringify({ taskId })), WORK_MS);
    });
  });
  const stop = () => client.disconnect(() => showWorkers());
  own.set(userId, stop);
}

const own = new Map();
const control = over();
control.connect(
  {},
  () => {
    show('online', 'Connected');
    control.subscribe('/topic/user-tasks', (message) => showTask(JSON.parse(message.body)));
    for (let k = 0; k < 3; k++) startWorker();
  },
  () => show('lost', 'Connection lost: load the page again'),
);

function show(state, text) {
  byId('status').dataset.state = state;
  byId('status').textContent = text;
}

function sendTask() {
  const taskId = `T${String(Date.now() % 100000)}-${++tasks}`;
  const task = { taskId, trackUrl: `https://music.example/track/${tasks}`, quantity: 1 + (tasks % 5) };
  control.send('/app/user-proxy/task', {}, JSON.stringify(task));
}

function showTask({ taskId, trackUrl, quantity }) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  item.textContent = `${taskId}: ${quantity} × ${trackUrl}`;
  time.textContent = new Date().toLocaleTimeString();
  item.append(time);
  byId('tasks').prepend(item);
  while (byId('tasks').children.length > 8) byId('tasks').lastChild.remove();
  void showWorkers();
}

async function showWorkers() {
  const { workers } = await (await fetch('api/proxy/workers')).json();
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
  for (const task of tasks) {
    const dot = document.createElement('span');
    dot.textContent = task;
    card.querySelector('.dots').append(dot);
  }
  const stop = own.get(userId);
  if (stop !== undefined) {
    const button = document.createElement('button');
    button.textContent = 'Stop';
    button.setAttribute('aria-label', `Stop worker ${userId}`);
    button.addEventListener('click', stop);
    card.append(button);
  }
  return card;
}

byId('task').addEventListener('click', sendTask);
byId('add').addEventListener('click', startWorker);
byId('stream').addEventListener('click', (event) => {
  if (streaming === 0) streaming = setInterval(sendTask, 1000);
  else {
    clearInterval(streaming);
    streaming = 0;
  }
  event.target.setAttribute('aria-pressed', String(streaming !== 0));
});
setInterval(showWorkers, 1000);
void showWorkers();
