/** Where the page begins: whoever was logged in in this tab still is. */
import { render } from 'preact';
import { ApiError, logIn, logOut, token, Unreachable } from './api.js';
import { App } from './app.js';
import { describe } from './dialogs.js';
import { html } from './html.js';

async function begin(): Promise<void> {
  const known = token();
  const root = document.getElementById('app');
  if (root === null) return;
  if (known !== null) {
    try {
      await logIn(known);
    } catch (error) {
      // The token may be as good as before once the server is there again.
      if (error instanceof Unreachable || !(error instanceof ApiError)) logOut(describe(error));
      else logOut(error.status === 401 ? 'The server does not take the token of this tab any more' : describe(error));
    }
  }
  render(html`<${App} />`, root);
}

void begin();
