/** Every view, by the first part of its address. */
import type { Role } from '../api-types.js';
import type { Shown } from '../html.js';
import { mayBe } from '../roles.js';
import type { Place } from '../router.js';
import { AuditView } from './audit.js';
import { ConnectionsView } from './connections.js';
import { DestinationsView, TopicView } from './destinations.js';
import { NodesView } from './nodes.js';
import { OverviewView } from './overview.js';
import { QueueView } from './queue.js';
import { QueuesView } from './queues.js';
import { SessionView } from './session.js';
import { TapView } from './tap.js';
import { TryItView } from './try-it.js';
import { UsersView, UserView } from './users.js';
import type { ViewProps } from './view.js';

type ViewComponent = (props: ViewProps) => Shown;

export interface View {
  readonly name: string;
  readonly label: string;
  readonly role: Role;
  readonly view: ViewComponent;
  /** Of one thing, which the address names behind the view; its name is the title. */
  readonly detail?: ViewComponent;
  /** Not in the list of views: under this one there. */
  readonly under?: string;
}

export const VIEWS: readonly View[] = [
  { name: 'overview', label: 'Overview', role: 'viewer', view: OverviewView },
  { name: 'connections', label: 'Connections', role: 'viewer', view: ConnectionsView, detail: SessionView },
  { name: 'users', label: 'Users', role: 'viewer', view: UsersView, detail: UserView },
  { name: 'destinations', label: 'Destinations', role: 'viewer', view: DestinationsView },
  { name: 'topics', label: 'Topics', role: 'viewer', view: DestinationsView, detail: TopicView, under: 'destinations' },
  { name: 'queues', label: 'Queues', role: 'viewer', view: QueuesView, detail: QueueView },
  { name: 'try', label: 'Try it', role: 'operator', view: TryItView },
  { name: 'tap', label: 'Tap', role: 'operator', view: TapView },
  { name: 'nodes', label: 'Server', role: 'viewer', view: NodesView },
  { name: 'audit', label: 'Audit log', role: 'admin', view: AuditView },
];

export interface ShownView {
  readonly view: ViewComponent;
  readonly title: string;
  /** Which of the list of views it belongs to. */
  readonly listed: string;
}

/** The first one where the address names none, or none that the role may see. */
export function viewAt({ path: [name = 'overview', thing] }: Place, role: Role): ShownView {
  const found = VIEWS.find((each) => each.name === name && mayBe(role, each.role));
  if (found === undefined) return { view: OverviewView, title: 'Overview', listed: 'overview' };
  const { view, detail, label, under = found.name } = found;
  if (thing === undefined || detail === undefined) return { view, title: label, listed: under };
  return { view: detail, title: found.name === 'connections' ? 'Session' : thing, listed: under };
}
