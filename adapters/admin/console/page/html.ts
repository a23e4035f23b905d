/** HTML as tagged templates. What is put in becomes text, attributes or components, never markup. */
import htm from 'htm';
import { h, type ComponentChildren, type VNode } from 'preact';

export const html = htm.bind(h);

/** What a view gives back. */
export type Shown = VNode | VNode[] | null;
export type { ComponentChildren };

/** Of a field that an event is about. */
export function valueOf(event: Event): string {
  const field = event.currentTarget;
  if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement) {
    return field.value;
  }
  return '';
}

/** The fields of a form by name, as text. Keeps the browser from sending it. */
export function fieldsOf(event: Event): Readonly<Record<string, string>> {
  event.preventDefault();
  const form = event.currentTarget;
  if (!(form instanceof HTMLFormElement)) return {};
  return Object.fromEntries(
    [...new FormData(form)].map(([name, value]) => [name, typeof value === 'string' ? value : '']),
  );
}
