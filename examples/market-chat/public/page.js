// Two users side by side. Each has a session cookie of its own; `as` says which one is meant.
'use strict';

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
  await call('login', { user });
  const chats = await (await call('chats')).json();
  let open = chats[0].id;

  const base = new URL('.', document.baseURI);
  const socket = io(base.origin, { path: `${base.pathname}ws`, query: { as: user }, forceNew: true });
  const state = pane.querySelector('.state');
  socket.on('connect', () => {
    state.dataset.state = 'online';
    state.textContent = 'Connected';
    for (const { id } of chats) socket.emit('clientJoinRoom', id);
  });
  socket.on('connect_error', (error) => {
    state.dataset.state = 'lost';
    state.textContent = error.message;
  });
  socket.on('disconnect', () => {
    state.dataset.state = 'lost';
    state.textContent = 'Connecting again…';
  });
  socket.on('serverMessage', (message) => {
    if (message.chatId === open) show(message);
    else tabs.get(message.chatId).classList.add('news');
  });

  const list = pane.querySelector('ol');
  function show({ sender, text }) {
    const item = document.createElement('li');
    item.textContent = text;
    item.classList.toggle('own', sender === user);
    list.append(item);
    list.scrollTop = list.scrollHeight;
  }
  const tabs = new Map();
  async function choose(id) {
    open = id;
    for (const [key, tab] of tabs) tab.setAttribute('aria-pressed', String(key === id));
    tabs.get(id).classList.remove('news');
    const messages = await (await call(`chats/${id}/messages`)).json();
    list.replaceChildren();
    for (const message of messages) show(message);
  }
  for (const { id, title } of chats) {
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.textContent = title;
    tab.addEventListener('click', () => choose(id));
    tabs.set(id, tab);
    pane.querySelector('.tabs').append(tab);
  }
  await choose(open);
  pane.querySelector('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value;
    input.value = '';
    await call(`chats/${open}/messages`, { text });
  });
}

void start('ann').then(() => start('bob'));
