/** What a SUBSCRIBE gets of what was published before: asked for where other nodes have it, then planned (DESIGN D6). */
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import { isPattern } from '../destinations/pattern.js';
import type { Route } from '../destinations/route.js';
import { HistoryRoute } from '../history/history-route.js';
import type { ReplayPlan } from '../history/replay-plan.js';
import type { ResumeRequest } from '../history/replay.js';
import type { Topics } from './topics.js';

export interface ReplaysParts {
  readonly kinds: DestinationKinds;
  readonly topics: Topics;
  /** The route of a destination, made at first need. */
  readonly routeOf: (destination: string) => Route;
}

export class Replays {
  readonly #parts: ReplaysParts;

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  /**
   * Before `plan`, where what a topic keeps has to be asked for.
   * @returns undefined when there is nothing to wait for. What rejects with BrokerError `relay-unavailable`, `relay-lost` when
   * something was asked for that cannot be had at the moment
   */
  prepare(destination: string, request: ResumeRequest | null, durableKey: string | null): Promise<void> | undefined {
    const { topics } = this.#parts;
    const { sharedHistories: shared } = topics;
    if (shared === null || durableKey !== null || !topics.isShared(destination)) return undefined;
    if (isPattern(destination)) return shared.prepareAll(destination, request);
    return topics.historyOf(destination) === null ? undefined : shared.prepare(destination, request);
  }

  /**
   * Null where nothing is to be said or done.
   * @param request null: nothing of what was before
   * @param isDurable it keeps what it misses by itself
   * @throws BrokerError as `DestinationKinds.checkSubscribable`, `header-invalid`
   */
  plan(destination: string, request: ResumeRequest | null, isDurable: boolean): ReplayPlan | null {
    const { kinds, topics, routeOf } = this.#parts;
    const { histories } = topics;
    const kind = kinds.of(destination);
    if (!isDurable && (kind === 'topic' || kind === 'queue')) {
      if (isPattern(destination)) return request === null ? null : histories.planAll(destination, request);
      const route = routeOf(destination);
      if (route instanceof HistoryRoute) return route.plan(request);
    }
    return request === null ? null : histories.planNone();
  }
}
