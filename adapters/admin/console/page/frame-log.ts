/** The last frames that were seen, newest first, for people; as many as a page can hold without harm. */
import { formatTime } from './format.js';
import { html, type Shown } from './html.js';

export interface SeenFrame {
  /** Counts from 1. */
  readonly number: number;
  readonly at: string | number;
  /** `in`: to the server; `note` is no frame, but something that happened. */
  readonly direction: 'in' | 'out' | 'note';
  readonly title: string;
  /** E.g. of which session. */
  readonly about?: string;
  /** Header lines, then the body behind an empty line. */
  readonly text: string;
}

export const MAX_FRAMES = 300;

/** @param frames newest first @param fresh oldest first */
export function withFrames(frames: readonly SeenFrame[], fresh: readonly SeenFrame[]): readonly SeenFrame[] {
  return [...fresh.toReversed(), ...frames].slice(0, MAX_FRAMES);
}

export interface FrameLogProps {
  readonly label: string;
  readonly frames: readonly SeenFrame[];
}

const ARROWS = { in: '→', out: '←', note: '·' } as const;
const WORDS = { in: 'from the client', out: 'to the client', note: '' } as const;

export function FrameLog({ label, frames }: FrameLogProps): Shown {
  if (frames.length === 0) return html`<p class="hint">No frames yet.</p>`;
  return html`<div class="frames" role="region" aria-label=${label} tabindex="0">
    ${frames.map(
      ({ number, at, direction, title, about = '', text }) =>
        html`<article key=${number} class=${`frame ${direction}`}>
          <header>
            <b>${ARROWS[direction]} ${title}</b>
            <span>${WORDS[direction]}</span>
            <time>${formatTime(at)}</time>
            <span>${about}</span>
          </header>
          ${text !== '' && html`<pre>${text}</pre>`}
        </article>`,
    )}
  </div>`;
}
