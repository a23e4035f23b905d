/** Which view is shown: the part of the address behind `#`, so that views can be linked, and the back button works. */
import { State } from './state.js';

export interface Place {
  /** Decoded, e.g. `['queues', '/queue/jobs']`. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string | undefined>>;
}

export const place = new State(parsePlace(location.hash));

addEventListener('hashchange', () => {
  place.value = parsePlace(location.hash);
});

/** For `href`. Empty values are left out. */
export function linkTo(path: readonly string[], query: Place['query'] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, value);
  const text = search.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** @param replaces the place before is not one to go back to */
export function goTo(path: readonly string[], query: Place['query'] = {}, replaces = false): void {
  const link = linkTo(path, query);
  if (replaces) {
    history.replaceState(null, '', link);
    place.value = parsePlace(link);
  } else {
    location.hash = link;
  }
}

function parsePlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  return {
    path: path
      .split('/')
      .filter((part) => part !== '')
      .map(decoded),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** What somebody typed need not be well encoded. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
