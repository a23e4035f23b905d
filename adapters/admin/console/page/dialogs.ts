/** Questions before an act, and what came of it: one dialog at a time, and a line that is read out. */
import { useEffect, useRef } from 'preact/hooks';
import { ApiError } from './api.js';
import { html, type Shown } from './html.js';
import { State, useValue } from './state.js';

interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says. */
  readonly act: string;
  readonly answer: (isYes: boolean) => void;
}

interface Notice {
  readonly number: number;
  readonly text: string;
  readonly isError: boolean;
}

const NOTICE_MS = 6_000;
const MAX_NOTICES = 4;
const question = new State<Question | null>(null);
const notices = new State<readonly Notice[]>([]);
let count = 0;

/** Resolves with whether it is meant. */
export function confirmed(title: string, text: string, act: string): Promise<boolean> {
  question.value?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      act,
      answer: (isYes) => {
        question.value = null;
        resolve(isYes);
      },
    };
  });
}

export function tell(text: string, isError = false): void {
  const notice = { number: ++count, text, isError };
  notices.value = [...notices.value, notice].slice(-MAX_NOTICES);
  setTimeout(() => {
    notices.value = notices.value.filter(({ number }) => number !== notice.number);
  }, NOTICE_MS);
}

/** Does something and says what came of it; false when it was refused. */
export async function doing<T>(work: Promise<T>, done: (result: T) => string): Promise<boolean> {
  try {
    tell(done(await work));
    return true;
  } catch (error) {
    tell(describe(error), true);
    return false;
  }
}

export function describe(error: unknown): string {
  if (error instanceof ApiError && error.faults.length > 0) return `${error.message}: ${error.faults.join('; ')}`;
  return error instanceof Error ? error.message : String(error);
}

export function Dialogs(): Shown {
  const asked = useValue(question);
  const told = useValue(notices);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked !== null) dialog.current?.showModal();
  }, [asked]);
  return html`
    ${
      asked !== null &&
      html`<dialog
        ref=${dialog}
        aria-labelledby="question"
        onClose=${() => {
          asked.answer(dialog.current?.returnValue === 'yes');
        }}
      >
        <form method="dialog">
          <h2 id="question">${asked.title}</h2>
          <p>${asked.text}</p>
          <div class="buttons">
            <button value="no">Cancel</button>
            <button value="yes" class="danger">${asked.act}</button>
          </div>
        </form>
      </dialog>`
    }
    <div class="notices" role="status" aria-live="polite">
      ${told.map(
        ({ number, text, isError }) => html`<p key=${number} class=${isError ? 'notice bad' : 'notice'}>${text}</p>`,
      )}
    </div>
  `;
}
