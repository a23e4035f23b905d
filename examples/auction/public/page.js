// The auction board. The calls on SockJS and Stomp are those that its clients were written with.
'use strict';

const byId = (id) => document.getElementById(id);
const userId = String(Math.floor(Math.random() * 900) + 100);
const shown = new Map();
let client = null;
let delayMs = 500;

function connect() {
  client = Stomp.over(new SockJS(new URL('ws', document.baseURI).href));
  client.debug = null;
  client.connect(
    { 'X-User-ID': userId },
    () => {
      delayMs = 500;
      show('online', `Bidder ${userId}`);
      client.subscribe('/topic/auctions/updates', (message) => onUpdate(JSON.parse(message.body)));
      client.subscribe('/user/queue/errors', (message) => onUpdate(JSON.parse(message.body)));
      client.send('/app/auctions/subscribe');
    },
    () => {
      show('lost', 'Connecting again…');
      // Longer each time, and not everybody at once.
      setTimeout(connect, delayMs * (0.5 + Math.random()));
      delayMs = Math.min(delayMs * 2, 30000);
    },
  );
}

function show(state, text) {
  byId('status').dataset.state = state;
  byId('status').textContent = text;
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
  const answer = await fetch('api/ws-stats/connections');
  const { active, total, byStatus } = await answer.json();
  byId('stats').textContent = `${active} connected now, ${total} since the start, ${byStatus.ERROR} lost`;
}
void showStatistics();
setInterval(showStatistics, 5000);
connect();
