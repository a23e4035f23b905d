/** One number that matters, and what it is of. */
import { html, type Shown } from '../html.js';

export interface TileProps {
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
  /** For tests and for who reads the page by program. */
  readonly name: string;
  readonly href?: string;
}

export function Tile({ label, value, hint = '', name, href }: TileProps): Shown {
  return html`<div class="card tile" data-tile=${name}>
    <span class="label">${href === undefined ? label : html`<a href=${href}>${label}</a>`}</span>
    <strong>${value}</strong>
    <span class="hint">${hint}</span>
  </div>`;
}
