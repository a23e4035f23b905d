/** What narrows a list down. It stands in the address, so that a list can be linked as it is. */
import { useEffect, useRef } from 'preact/hooks';
import { html, type Shown, valueOf } from '../html.js';
import { goTo, place } from '../router.js';

export interface FilterField {
  /** In the address and in the API's query. */
  readonly name: string;
  readonly label: string;
  /** Missing: any text. */
  readonly choices?: readonly string[];
}

export interface FiltersProps {
  readonly fields: readonly FilterField[];
  readonly query: Readonly<Record<string, string | undefined>>;
}

/** Whoever types is not interrupted by a list for each letter. */
const TYPING_MS = 300;

/** Sets some of what stands behind the `?`; undefined takes it away. */
export function setQuery(change: Readonly<Record<string, string | undefined>>): void {
  const { path, query } = place.value;
  goTo(path, { ...query, ...change }, true);
}

export function Filters({ fields, query }: FiltersProps): Shown {
  const timer = useRef(0);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );
  const change = (name: string, value: string): void => {
    clearTimeout(timer.current);
    setQuery({ [name]: value.trim() });
  };
  return html`<form
    class="fields"
    role="search"
    onSubmit=${(event: Event) => {
      event.preventDefault();
    }}
  >
    ${fields.map(
      ({ name, label, choices }) =>
        html`<div key=${name}>
          <label for=${`filter-${name}`}>${label}</label>
          ${
            choices === undefined
              ? html`<input
                  id=${`filter-${name}`}
                  type="search"
                  autocomplete="off"
                  spellcheck=${false}
                  defaultValue=${query[name] ?? ''}
                  onInput=${(event: Event) => {
                    const value = valueOf(event);
                    clearTimeout(timer.current);
                    timer.current = setTimeout(() => {
                      change(name, value);
                    }, TYPING_MS);
                  }}
                  onChange=${(event: Event) => {
                    change(name, valueOf(event));
                  }}
                />`
              : html`<select
                  id=${`filter-${name}`}
                  value=${query[name] ?? ''}
                  onChange=${(event: Event) => {
                    change(name, valueOf(event));
                  }}
                >
                  <option value="">any</option>
                  ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice}</option>`)}
                </select>`
          }
        </div>`,
    )}
  </form>`;
}
