/** Going through a list that the server cuts in pages. Its cursors lead forward alone, so those of the pages before are kept. */
import { useState } from 'preact/hooks';
import { type ComponentChildren, html, type Shown } from '../html.js';

export interface Pages {
  /** From 1. */
  readonly number: number;
  /** Of the page that is shown; undefined: the first. */
  readonly cursor: string | undefined;
  readonly forward: (next: string) => void;
  readonly back: () => void;
}

/** Begins at the first page. */
export function usePages(): Pages {
  const [cursors, setCursors] = useState<readonly (string | undefined)[]>([undefined]);
  return {
    number: cursors.length,
    cursor: cursors.at(-1),
    forward: (next) => {
      setCursors([...cursors, next]);
    },
    back: () => {
      setCursors(cursors.slice(0, -1));
    },
  };
}

export interface PagerProps {
  readonly pages: Pages;
  /** Of the page after this one; null: there is none, or nobody knows yet. */
  readonly next: string | null;
  /** Before the buttons. */
  readonly children: ComponentChildren;
}

export function Pager({ pages, next, children }: PagerProps): Shown {
  return html`<div class="pager">
    ${children}
    <button disabled=${pages.number === 1} onClick=${pages.back}>Previous</button>
    <button
      disabled=${next === null}
      onClick=${() => {
        if (next !== null) pages.forward(next);
      }}
    >
      Next
    </button>
  </div>`;
}
