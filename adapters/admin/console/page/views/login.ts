/** Who are you? A token of the admin API, or a JSON Web Token where the server takes them. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { logIn, logInReason } from '../api.js';
import { describe } from '../dialogs.js';
import { fieldsOf, html, type Shown } from '../html.js';
import { useValue } from '../state.js';

export function LoginView(): Shown {
  const reason = useValue(logInReason);
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
  }, []);
  const submit = async (event: Event): Promise<void> => {
    const { token = '' } = fieldsOf(event);
    setBusy(true);
    try {
      await logIn(token.trim());
    } catch (error) {
      setProblem(describe(error));
      setBusy(false);
      field.current?.select();
    }
  };
  const shown = problem === '' ? reason : problem;
  return html`<main class="login">
    <form class="card" onSubmit=${submit}>
      <h1><img src="icon.svg" alt="" width="36" height="36" /> hoofbeat console</h1>
      <label for="token">Admin token or JSON Web Token</label>
      <input
        id="token"
        name="token"
        ref=${field}
        type="password"
        autocomplete="off"
        spellcheck=${false}
        required
        aria-describedby="login-problem"
        aria-invalid=${shown !== ''}
      />
      <p id="login-problem" class="problem" role="alert">${shown}</p>
      <button class="primary" disabled=${isBusy}>Log in</button>
      <p class="hint">The token stays in this tab and is forgotten with it.</p>
    </form>
  </main>`;
}
