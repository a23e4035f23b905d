/** The frame of the page: who is there, where to go, whether the server answers, and the view. */
import { useEffect, useRef } from 'preact/hooks';
import { actor, logOut, lostSince } from './api.js';
import type { Role } from './api-types.js';
import { Dialogs } from './dialogs.js';
import { html, type Shown } from './html.js';
import { feedState } from './live.js';
import { linkTo, place } from './router.js';
import { useValue } from './state.js';
import { nextTheme, theme } from './theme.js';
import { VIEWS, viewAt } from './views/index.js';
import { LoginView } from './views/login.js';
import { mayBe } from './roles.js';

const FEED_WORDS = { connecting: 'connecting', live: 'live', polling: 'live updates: connecting again' } as const;
const THEME_WORDS = { auto: 'as the system', light: 'light', dark: 'dark' } as const;

export function App(): Shown {
  const who = useValue(actor);
  return html`
    ${who === null ? html`<${LoginView} />` : html`<${Frame} role=${who.role} name=${who.name} />`}
    <${Dialogs} />
  `;
}

function Frame({ role, name }: { readonly role: Role; readonly name: string }): Shown {
  const here = useValue(place);
  const chosen = useValue(theme);
  const feed = useValue(feedState);
  const { view, title, listed } = viewAt(here, role);
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  const path = here.path.join('/');
  useEffect(() => {
    document.title = `${title} · hoofbeat`;
    // Whoever uses a keyboard or hears the page goes on at its beginning.
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
  }, [path]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/" aria-label="hoofbeat, to the overview"
        ><img src="icon.svg" alt="" width="28" height="28" /><span>hoofbeat</span></a
      >
      <span class=${`feed ${feed}`} role="status"><span class="dot" aria-hidden="true"></span>${FEED_WORDS[feed]}</span>
      <span class="who"><span>${name} </span><span class="badge">${role}</span></span>
      <button onClick=${nextTheme} title="Light or dark" aria-label=${`Colours: ${THEME_WORDS[chosen]}`}>
        ${chosen === 'dark' ? '☾' : chosen === 'light' ? '☀' : '◐'}
      </button>
      <button
        onClick=${() => {
          logOut();
        }}
      >
        Log out
      </button>
    </header>
    <nav aria-label="Views">
      <ul>
        ${VIEWS.filter(({ under, role: wanted }) => under === undefined && mayBe(role, wanted)).map(
          (each) =>
            html`<li key=${each.name}>
              <a href=${linkTo([each.name])} aria-current=${each.name === listed ? 'page' : undefined}>${each.label}</a>
            </li>`,
        )}
      </ul>
    </nav>
    <main id="main">
      <${Outage} />
      <h1 tabindex="-1" ref=${heading}>${title}</h1>
      <${view} key=${path} path=${here.path.slice(1)} query=${here.query} />
    </main>
  `;
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('main h1')?.focus();
}

function Outage(): Shown {
  const since = useValue(lostSince);
  if (since === null) return null;
  return html`<p class="banner bad" role="alert" data-outage>
    <b>The server does not answer.</b> What is shown is as of ${new Date(since).toLocaleTimeString('en-GB')}; the page
    tries again by itself.
  </p>`;
}
