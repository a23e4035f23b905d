// Two users side by side. Each has a session cookie of its own; `as` says which one is meant.
'use strict';

const RETRY_MS = 1000;

async function start(user) {
  const pane = document.getElementById('user').content.cloneNode(true).firstElementChild;
  document.getElementById('users').append(pane);
  pane.dataset.user = user;
  pane.querySelector('h2').textContent = user;
  const input = pane.querySelector('input');
  input.setAttribute('aria-label', `Message of ${user}`);
  const call = (path, body) =>
    fetch(`api/${path}?as=${user}`, {
      ...(body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    });
  const logIn = () => call('login', { user });
  await logIn();
  const chats = await (await call('chats')).json();
  let open = chats[0].id;

  const base = new URL('.', document.baseURI);
  const socket = io(base.origin, { path: `${base.pathname}ws`, query: { as: user }, forceNew: true });
  const state = pane.querySelector('.state');
  socket.on('connect', () => {
    showState(state, 'online', 'Connected');
    for (const { id } of chats) socket.emit('clientJoinRoom', id);
    // What was said meanwhile.
    void choose(open);
  });
  socket.on('connect_error', (error) => {
    showState(state, 'lost', socket.active ? 'Connecting again…' : error.message);
    // Refused, and socket.io-client does not try again by itself: a server that was started again knows no sessions.
    if (!socket.active)
      setTimeout(
        () =>
          logIn().then(
            () => socket.connect(),
            () => socket.connect(),
          ),
        RETRY_MS,
      );
  });
  socket.on('disconnect', () => showState(state, 'lost', 'Connecting again…'));
  socket.on('serverMessage', (message) => {
    if (message.chatId === open) show(message);
    else tabs.get(message.chatId).classList.add('news');
  });

  const list = pane.querySelector('ol');
  function show({ sender, text }) {
    list.append(element('li', text, sender === user ? 'own' : ''));
    list.scrollTop = list.scrollHeight;
  }
  const tabs = new Map();
  async function choose(id) {
    open = id;
    for (const [key, tab] of tabs) tab.setAttribute('aria-pressed', String(key === id));
    tabs.get(id).classList.remove('news');
    const answer = await call(`chats/${id}/messages`).catch(() => null);
    if (answer?.ok !== true || open !== id) return;
    const messages = await answer.json();
    list.replaceChildren();
    for (const message of messages) show(message);
  }
  for (const { id, title } of chats) {
    const tab = element('button', title);
    tab.type = 'button';
    tab.addEventListener('click', () => choose(id));
    tabs.set(id, tab);
    pane.querySelector('.tabs').append(tab);
  }
  await choose(open);
  pane.querySelector('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const answer = await call(`chats/${open}/messages`, { text: input.value }).catch(() => null);
    if (answer?.ok === true) input.value = '';
    else
      showState(state, 'lost', answer === null ? 'Not sent: the server cannot be reached' : 'Not sent: log in again');
  });
}

void start('ann').then(() => start('bob'));
