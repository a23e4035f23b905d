// The auction board. The calls on SockJS and Stomp are those that its clients were written with.
'use strict';

const userId = String(Math.floor(Math.random() * 900) + 100);
const shown = new Map();
let client = null;
const PING_EVERY_MS = 5000;

function connect({ connected, lost }) {
  client = Stomp.over(new SockJS(new URL('ws', document.baseURI).href));
  client.debug = null;
  client.connect(
    { 'X-User-ID': userId },
    () => {
      connected();
      showState(byId('status'), 'online', `Bidder ${userId}`);
      client.subscribe('/topic/auctions/updates', (message) => onUpdate(JSON.parse(message.body)));
      client.subscribe('/user/queue/errors', (message) => onUpdate(JSON.parse(message.body)));
      client.send('/app/auctions/subscribe');
      measure(client);
    },
    lost,
  );
}

// How good the connection is: each ping tells how long the one before took.
let roundTripMs;
function measure(over) {
  let sentMs = 0;
  const ping = () => {
    sentMs = performance.now();
    over.send('/app/connection/ping', {}, JSON.stringify({ roundTripMs }));
  };
  over.subscribe('/user/queue/pong', () => {
    roundTripMs = performance.now() - sentMs;
    setTimeout(() => over === client && over.connected && ping(), PING_EVERY_MS);
  });
  ping();
}

function onUpdate(message) {
  if (message.type === 'ERROR') return complain(message.message);
  const ids = new Set(message.data.map(({ id }) => id));
  for (const item of message.data) draw(item);
  for (const [id, lot] of shown) {
    if (ids.has(id) || lot.dataset.status === 'ENDED') continue;
    lot.remove();
    shown.delete(id);
  }
}

function complain(text) {
  const notice = byId('notice');
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => (notice.hidden = true), 4000);
}

function draw(item) {
  const lot = shown.get(item.id) ?? create(item);
  const price = lot.querySelector('.price');
  const text = money(item.currentPrice);
  if (price.textContent !== '' && price.textContent !== text) flash(lot);
  price.textContent = text;
  lot.dataset.status = item.status;
  lot.dataset.ends = item.auctionEndTime;
  lot.dataset.starts = item.auctionStartTime;
  lot.querySelector('.badge').textContent = item.status === 'ENDED' ? 'SOLD' : item.status;
  const input = lot.querySelector('input');
  input.min = String(item.currentPrice + 0.01);
  input.placeholder = String(Math.ceil(item.currentPrice * 1.05));
  for (const part of lot.querySelectorAll('input, button')) part.disabled = item.status !== 'ONGOING';
  if (item.status === 'ENDED' && lot.timer === undefined) {
    lot.timer = setTimeout(() => {
      lot.remove();
      shown.delete(item.id);
    }, 6000);
  }
  tell(lot);
}

function create(item) {
  const lot = document.createElement('li');
  lot.className = 'card lot';
  lot.innerHTML =
    '<div class="row"><h2></h2><span class="badge"></span></div><p class="faint"></p><div class="price"></div>' +
    '<time></time><form class="row"><input type="number" step="0.01" required /><button class="main">Bid</button></form>';
  lot.querySelector('h2').textContent = item.name;
  lot.querySelector('p').textContent = item.description;
  lot.querySelector('input').setAttribute('aria-label', `Bid for ${item.name}`);
  lot.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = lot.querySelector('input');
    if (!client.connected) return complain('Not connected: try again in a moment');
    client.send(`/app/auctions/${item.id}/bid`, {}, JSON.stringify({ amount: Number(input.value) }));
    input.value = '';
  });
  shown.set(item.id, lot);
  byId('auctions').append(lot);
  return lot;
}

function flash(lot) {
  lot.classList.add('moved');
  setTimeout(() => lot.classList.remove('moved'), 150);
}

function tell(lot) {
  const seconds = (to) => Math.max(0, Math.round((new Date(to) - Date.now()) / 1000));
  const { status, starts, ends } = lot.dataset;
  lot.querySelector('time').textContent =
    status === 'UPCOMING' ? `starts in ${seconds(starts)} s` : status === 'ONGOING' ? `${seconds(ends)} s left` : '';
}

function money(amount) {
  return amount.toLocaleString('en', { style: 'currency', currency: 'EUR' });
}

setInterval(() => {
  for (const lot of shown.values()) tell(lot);
}, 1000);

async function showStatistics() {
  // While the server is away there is nothing to tell.
  const answer = await fetch('api/ws-stats/connections').catch(() => null);
  if (answer?.ok !== true) return;
  const { active, total, byStatus } = await answer.json();
  const trip = roundTripMs === undefined ? '' : `, round trip ${roundTripMs.toFixed(1)} ms`;
  byId('stats').textContent = `${active} connected now, ${total} since the start, ${byStatus.ERROR} lost${trip}`;
}
void showStatistics();
setInterval(showStatistics, 5000);
keepConnected(connect);
