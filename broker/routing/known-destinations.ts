/**
 * The topics and queues that a node remembers, for those who look at them from outside: operators, who counts memory, and the
 * store that names a queue by its stream. Nothing here is on the way of a message.
 */
import { SharedQueue } from '../cluster/shared-queue.js';
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import { DURABLE_PREFIX, type DurableSubscriptions } from '../destinations/durable-subscriptions.js';
import { Queue, QUEUE_STREAM } from '../destinations/queue.js';
import type { Route } from '../destinations/route.js';
import type { RouteTable } from '../destinations/route-table.js';
import { HistoryRoute } from '../history/history-route.js';
import type { DestinationDetails } from '../operations/details.js';
import type { OperatedQueue } from '../operations/queue-operations.js';

export interface KnownDestinationsParts {
  readonly kinds: DestinationKinds;
  readonly routes: RouteTable;
  readonly durables: DurableSubscriptions;
  /** The route of a destination, made at first need. */
  readonly routeOf: (destination: string) => Route;
  /** Whether nodes share their queues. */
  readonly sharesQueues: boolean;
}

export class KnownDestinations {
  readonly #parts: KnownDestinationsParts;

  constructor(parts: KnownDestinationsParts) {
    this.#parts = parts;
  }

  /** Topics and queues. */
  get count(): number {
    return this.#parts.routes.size;
  }

  /** Of these, the ones for one consumer each. */
  get queueCount(): number {
    return this.#parts.routes.queueCount;
  }

  /** In the order they were first used; live. */
  *details(): Generator<DestinationDetails> {
    for (const route of this.#parts.routes.values()) yield detailsOf(route);
  }

  detailsOf(destination: string): DestinationDetails | undefined {
    const route = this.#parts.routes.get(destination);
    return route === undefined ? undefined : detailsOf(route);
  }

  /** Octets of messages in memory, of one queue after the other. */
  *queueMemory(): Generator<number> {
    for (const route of this.#parts.routes.values()) yield route instanceof Queue ? route.memoryBytes : 0;
  }

  /** Null: nothing is known of such a queue. */
  operatedQueue(destination: string): OperatedQueue | null {
    const route = this.#parts.routes.get(destination);
    return route instanceof Queue ? route : null;
  }

  /** As `operatedQueue`, of a queue that all nodes share: any may hold something, whether or not this node has used it. */
  inspectedQueue(destination: string): SharedQueue | null {
    return this.#parts.sharesQueues ? (this.queueOf(QUEUE_STREAM + destination) ?? null) : null;
  }

  /** Those that this node remembers. */
  *inspectedQueues(): Generator<SharedQueue> {
    const { routes, sharesQueues } = this.#parts;
    if (!sharesQueues) return;
    for (const route of routes.values()) if (route instanceof SharedQueue) yield route;
  }

  /** The queue of a stream of the shared store, whoever consumes it. */
  queueOf(stream: string): SharedQueue | undefined {
    const { durables, kinds, routeOf } = this.#parts;
    if (stream.startsWith(DURABLE_PREFIX)) {
      const queue = durables.get(stream.slice(DURABLE_PREFIX.length))?.queue;
      return queue instanceof SharedQueue ? queue : undefined;
    }
    const destination = stream.startsWith(QUEUE_STREAM) ? stream.slice(QUEUE_STREAM.length) : '';
    const route = kinds.of(destination) === 'queue' ? routeOf(destination) : null;
    return route instanceof SharedQueue ? route : undefined;
  }
}

function detailsOf(route: Route): DestinationDetails {
  const { destination, subscriberCount } = route;
  const queue = route instanceof Queue || route instanceof SharedQueue ? route : null;
  const history = route instanceof HistoryRoute ? route.kept : null;
  // A queue in mode broadcast is a topic in all but its name.
  const kind = route.kind === 'queue' ? 'queue' : 'topic';
  return { destination, kind, subscriberCount, queue, history };
}
