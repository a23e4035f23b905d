/** Every view, by the first part of its address. */
import type { Role } from '../api-types.js';
import type { Shown } from '../html.js';
import { mayBe } from '../roles.js';
import type { Place } from '../router.js';
import { OverviewView } from './overview.js';

export interface ViewProps {
  /** What stands behind the view's own name. */
  readonly path: readonly string[];
  readonly query: Place['query'];
}

export interface View {
  readonly name: string;
  /** In the list of views; null: it is reached from another. */
  readonly label: string | null;
  readonly role: Role;
  readonly title: (path: readonly string[]) => string;
  readonly view: (props: ViewProps) => Shown;
}

export const VIEWS: readonly View[] = [
  { name: 'overview', label: 'Overview', role: 'viewer', title: () => 'Overview', view: OverviewView },
];

/** The first one where the address names none, or none that the role may see. */
export function viewAt({ path }: Place, role: Role): { readonly view: View['view']; readonly title: string } {
  const [name = 'overview', ...rest] = path;
  const found = VIEWS.find((each) => each.name === name && mayBe(role, each.role)) ?? VIEWS[0];
  if (found === undefined) throw new Error('no view');
  return { view: found.view, title: found.title(rest) };
}
