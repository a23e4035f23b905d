// The front end of the greeting: the calls on SockJS and Stomp are those that Spring's guide taught for years.
'use strict';

let stompClient = null;

function show(state, text) {
  showState(byId('status'), state, text);
  const isConnected = state === 'online';
  byId('connect').disabled = state !== 'offline';
  byId('disconnect').disabled = !isConnected;
  byId('name').disabled = byId('send').disabled = !isConnected;
  if (isConnected) byId('name').focus();
}

function connect() {
  show('waiting', 'Connecting…');
  stompClient = Stomp.over(new SockJS(new URL('gs-guide-websocket', document.baseURI).href));
  stompClient.debug = showFrame;
  stompClient.connect(
    {},
    () => {
      show('online', 'Connected');
      stompClient.subscribe('/topic/greetings', (message) => showGreeting(JSON.parse(message.body).content));
    },
    // An ERROR frame, or text when the connection was lost.
    (error) => show('offline', typeof error === 'string' ? 'Connection lost' : error.headers.message),
  );
}

function disconnect() {
  stompClient.disconnect(() => show('offline', 'Disconnected'));
}

function sendName() {
  stompClient.send('/app/hello', {}, JSON.stringify({ name: byId('name').value }));
  byId('name').select();
}

function showGreeting(text) {
  const item = element('li');
  // As text: a name may hold anything.
  item.append(element('span', text), element('time', new Date().toLocaleTimeString()));
  byId('greetings').prepend(item);
  byId('empty').hidden = true;
}

function showFrame(text) {
  const frames = byId('frames');
  frames.append(`${text.replaceAll('\0', '^@').trimEnd()}\n\n`);
  frames.scrollTop = frames.scrollHeight;
}

byId('connection').addEventListener('submit', (event) => {
  event.preventDefault();
  connect();
});
byId('disconnect').addEventListener('click', disconnect);
byId('hello').addEventListener('submit', (event) => {
  event.preventDefault();
  sendName();
});
