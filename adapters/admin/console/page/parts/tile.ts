/** One number that matters, and what it is of. */
import { html, type Shown } from '../html.js';

export interface TileProps {
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
  /** For tests and for who reads the page by program. */
  readonly name: string;
  readonly href?: string;
  /** From 0 to 1: how much is taken of what there is. */
  readonly part?: number;
  readonly tone?: Tone;
  /** What is wrong. */
  readonly note?: string;
}

/** How it stands: `warn` is worth a look, `bad` wants somebody. */
export type Tone = 'good' | 'warn' | 'bad';

export function Tile({ label, value, hint = '', name, href, part, tone = 'good', note = '' }: TileProps): Shown {
  return html`<div class=${`card tile ${tone}`} data-tile=${name}>
    <span class="label">${href === undefined ? label : html`<a href=${href}>${label}</a>`}</span>
    <strong>${value}</strong>
    ${
      part !== undefined &&
      html`<span class="gauge" aria-hidden="true"
        ><span style=${{ width: `${String(Math.min(100, part * 100))}%` }}></span
      ></span>`
    }
    ${note !== '' && html`<span class="note">${note}</span>`}
    <span class="hint">${hint}</span>
  </div>`;
}
