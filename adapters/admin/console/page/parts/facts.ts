/** What is known of one thing, name by name. */
import { type ComponentChildren, html, type Shown } from '../html.js';

export type Fact = readonly [name: string, value: ComponentChildren];

export function Facts({ facts }: { readonly facts: readonly Fact[] }): Shown {
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<div key=${name}>
          <dt>${name}</dt>
          <dd>${value === null || value === '' ? html`<span class="muted">none</span>` : value}</dd>
        </div>`,
    )}
  </dl>`;
}
