/**
 * One topic as its watchers see it: the audiences of all nodes put together. Tells who has come and who has gone; a user
 * whose last session ended is there for a while yet, so that a page that is loaded again neither leaves nor joins.
 */
import { WheelTimer } from '../wheel-timer.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { Clock } from '../ports.js';
import type { AudienceChange } from './audience.js';

/** All that one node has to say of a topic. */
export interface AudiencePart {
  /** Sessions of each user; 1 or more. */
  readonly users: Iterable<readonly [string, number]>;
  readonly anonymous: number;
}

export interface PresenceViewEvents {
  onJoin(user: string): void;
  onLeave(user: string): void;
  /** The number of anonymous sessions has changed. */
  onCount(): void;
}

export interface PresenceViewParts {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly leaveDelayMs: number;
}

interface Present {
  /** On all nodes; 0 while the user is leaving. */
  sessions: number;
  leaving: WheelTimer | null;
}

interface NodeAudience {
  readonly users: Map<string, number>;
  anonymous: number;
}

export class PresenceView {
  readonly #events: PresenceViewEvents;
  readonly #parts: PresenceViewParts;
  readonly #nodes = new Map<string, NodeAudience>();
  /** In the order they came. */
  readonly #users = new Map<string, Present>();
  #anonymous = 0;

  constructor(events: PresenceViewEvents, parts: PresenceViewParts) {
    this.#events = events;
    this.#parts = parts;
  }

  get userCount(): number {
    return this.#users.size;
  }

  get anonymous(): number {
    return this.#anonymous;
  }

  /** The first users that came. */
  list(max: number): { readonly name: string; readonly sessions: number }[] {
    const listed: { name: string; sessions: number }[] = [];
    for (const [name, { sessions }] of this.#users) {
      if (listed.length >= max) break;
      listed.push({ name, sessions });
    }
    return listed;
  }

  /** One change on a node whose part is known. */
  change(node: string, { user, sessions, mayReturn }: AudienceChange): void {
    const audience = this.#nodes.get(node);
    if (audience === undefined) return;
    if (user === null) this.#setAnonymous(audience, sessions);
    else this.#setUser(audience, user, sessions, mayReturn);
  }

  /** What a node tells as a whole takes the place of what was known of it. */
  replace(node: string, { users, anonymous }: AudiencePart): void {
    let audience = this.#nodes.get(node);
    if (audience === undefined) this.#nodes.set(node, (audience = { users: new Map(), anonymous: 0 }));
    const told = new Map(users);
    for (const user of [...audience.users.keys()]) if (!told.has(user)) this.#setUser(audience, user, 0, false);
    for (const [user, sessions] of told) this.#setUser(audience, user, sessions, false);
    this.#setAnonymous(audience, anonymous);
  }

  /** A node is gone, and everybody with it. */
  drop(node: string): void {
    if (!this.#nodes.has(node)) return;
    this.replace(node, { users: [], anonymous: 0 });
    this.#nodes.delete(node);
  }

  /** Nobody watches any more. */
  close(): void {
    for (const { leaving } of this.#users.values()) if (leaving !== null) this.#parts.wheel.cancel(leaving);
    this.#users.clear();
    this.#nodes.clear();
  }

  #setAnonymous(audience: NodeAudience, sessions: number): void {
    if (sessions === audience.anonymous) return;
    this.#anonymous += sessions - audience.anonymous;
    audience.anonymous = sessions;
    this.#events.onCount();
  }

  #setUser(audience: NodeAudience, user: string, sessions: number, mayReturn: boolean): void {
    const more = sessions - (audience.users.get(user) ?? 0);
    if (more === 0) return;
    if (sessions === 0) audience.users.delete(user);
    else audience.users.set(user, sessions);
    const present = this.#users.get(user);
    if (present === undefined) {
      this.#users.set(user, { sessions: more, leaving: null });
      this.#events.onJoin(user);
      return;
    }
    present.sessions += more;
    if (present.sessions > 0) this.#stay(present);
    else this.#leave(user, present, mayReturn ? this.#parts.leaveDelayMs : 0);
  }

  #stay(present: Present): void {
    if (present.leaving !== null) this.#parts.wheel.cancel(present.leaving);
    present.leaving = null;
  }

  #leave(user: string, present: Present, delayMs: number): void {
    const leave = (): void => {
      this.#users.delete(user);
      this.#events.onLeave(user);
    };
    if (delayMs === 0) {
      leave();
      return;
    }
    present.leaving = new WheelTimer(leave);
    this.#parts.wheel.schedule(present.leaving, this.#parts.clock.nowMs() + delayMs);
  }
}
