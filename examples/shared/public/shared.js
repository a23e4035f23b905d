// What the pages share: how the connection is shown, and how long to wait before the next try.
'use strict';

const byId = (id) => document.getElementById(id);

/** @param state `online`, `lost` or none, for the colour */
function showState(element, state, text) {
  element.dataset.state = state;
  element.textContent = text;
}

function element(name, text = '', className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/**
 * Connects again and again: `connect` is called at once, and each time that `lost()` was. Later each time, and not all pages
 * at once, until `connected()`. What `connect` rejects with is a lost connection too.
 */
function keepConnected(connect) {
  const FIRST_MS = 500;
  const MOST_MS = 15000;
  let delayMs = FIRST_MS;
  let timer = null;
  const attempt = async () => {
    timer = null;
    try {
      await connect({ connected: () => (delayMs = FIRST_MS), lost });
    } catch {
      lost();
    }
  };
  function lost() {
    // One connection can be lost twice, by an error and by its end.
    if (timer !== null) return;
    showState(byId('status'), 'lost', 'Connecting again…');
    timer = setTimeout(attempt, delayMs * (0.5 + Math.random()));
    delayMs = Math.min(delayMs * 2, MOST_MS);
  }
  void attempt();
}

/** POST of JSON. @returns the answer's JSON */
async function post(path, body, headers = {}) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
