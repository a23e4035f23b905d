/** A tap: frames of this node's sessions as they come and go, narrowed down by whom and where. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { describe } from '../dialogs.js';
import { formatCount } from '../format.js';
import { FrameLog, type SeenFrame, withFrames } from '../frame-log.js';
import { fieldsOf, html, type Shown } from '../html.js';
import { setQuery } from '../parts/filters.js';
import { readTap, type TappedLine } from '../tap-client.js';
import type { ViewProps } from './view.js';

interface TapState {
  readonly isOn: boolean;
  readonly frames: readonly SeenFrame[];
  readonly seen: number;
  /** By the server: more than it shows a second. */
  readonly missed: number;
  readonly problem: string;
}

const OFF: TapState = { isOn: false, frames: [], seen: 0, missed: 0, problem: '' };
const PER_SECOND = 100;
const BODY_BYTES = 2_000;

export function TapView({ query }: ViewProps): Shown {
  const [state, setState] = useState<TapState>(OFF);
  const running = useRef<AbortController | null>(null);
  useEffect(
    () => () => {
      running.current?.abort();
    },
    [],
  );
  const stop = (): void => {
    running.current?.abort();
    running.current = null;
    setState((before) => ({ ...before, isOn: false }));
  };
  const start = (event: Event): void => {
    const { session = '', user = '', destination = '', direction = '' } = fieldsOf(event);
    const filters = { session: session.trim(), user: user.trim(), destination: destination.trim(), direction };
    setQuery(filters);
    const ending = new AbortController();
    running.current = ending;
    setState({ ...OFF, isOn: true });
    const asked = { ...filters, perSecond: PER_SECOND, bodyBytes: BODY_BYTES };
    readTap(asked, ending.signal, (lines) => {
      setState((before) => withLines(before, lines));
    }).catch((error: unknown) => {
      if (ending.signal.aborted) return;
      setState((before) => ({ ...before, isOn: false, problem: describe(error) }));
    });
  };
  const { isOn, frames, seen, missed, problem } = state;
  // With keys: a button that turned into the other while it is clicked would start what it has just stopped.
  return html`
    <form class="card" aria-label="Tap" onSubmit=${start}>
      <p class="hint">
        Only frames of this node. While a tap is on every message is looked at, which slows the fast path; passcodes and
        tokens are masked. Empty fields mean all.
      </p>
      <div class="fields">
        ${field('session', 'Session id', query['session'], isOn)} ${field('user', 'User', query['user'], isOn)}
        ${field('destination', 'Destination or pattern', query['destination'], isOn)}
        <div class="narrow">
          <label for="tap-direction">Direction</label>
          <select id="tap-direction" name="direction" disabled=${isOn}>
            <option value="">both</option>
            <option value="in">from clients</option>
            <option value="out">to clients</option>
          </select>
        </div>
        ${isOn ? html`<button key="stop" type="button" onClick=${stop}>Stop</button>` : html`<button key="start" class="primary">Start</button>`}
      </div>
    </form>
    <section class="card">
      <div class="head">
        <h2>Frames</h2>
        <span class="hint" role="status">
          ${`${isOn ? 'Tapping' : 'Off'} · ${formatCount(seen)} seen${missed === 0 ? '' : ` · ${formatCount(missed)} went by`}`}
        </span>
        <button
          onClick=${() => {
            setState((before) => ({ ...before, frames: [], seen: 0, missed: 0 }));
          }}
        >
          Clear
        </button>
      </div>
      <p class="problem" role="alert">${problem}</p>
      <${FrameLog} label="Frames" frames=${frames} />
    </section>
  `;
}

function field(name: string, label: string, value: string | undefined, isOn: boolean): Shown {
  return html`<div>
    <label for=${`tap-${name}`}>${label}</label>
    <input
      id=${`tap-${name}`}
      name=${name}
      defaultValue=${value ?? ''}
      readonly=${isOn}
      spellcheck=${false}
      autocomplete="off"
    />
  </div>`;
}

function withLines(before: TapState, lines: readonly TappedLine[]): TapState {
  const fresh: SeenFrame[] = [];
  let { seen, missed } = before;
  for (const line of lines) {
    if (line.type === 'missed') missed += line.count;
    if (line.type !== 'frame') continue;
    seen++;
    const { at, direction, command, user, session, headers, body, bodyBytes, isCut, encoding } = line;
    const more = [encoding === 'base64' ? 'base64' : '', isCut ? `of ${formatCount(bodyBytes)} octets` : ''].filter(
      Boolean,
    );
    fresh.push({
      number: seen,
      at,
      direction,
      title: command,
      about: `${user ?? 'anonymous'} ${session}`,
      text: [
        ...headers.map(([name, value]) => `${name}:${value}`),
        ...(body === '' ? [] : ['', more.length === 0 ? body : `${body} (${more.join(', ')})`]),
      ].join('\n'),
    });
  }
  return { ...before, seen, missed, frames: withFrames(before.frames, fresh) };
}
