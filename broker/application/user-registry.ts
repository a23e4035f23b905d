/** Who is connected to this node: users by name with their sessions and subscriptions (Spring S7.7–S7.9). Anonymous sessions are in none. */
import type { SessionHandle, SubscriptionHandle } from './session-handle.js';

export interface UserHandle {
  readonly name: string;
  /** In order of connecting. */
  readonly sessions: readonly SessionHandle[];
  session(id: string): SessionHandle | undefined;
}

export class UserRegistry {
  /** Most users have one session, which is worth no map. */
  readonly #users = new Map<string, SessionHandle | Map<string, SessionHandle>>();

  /** Users with at least one session. */
  count(): number {
    return this.#users.size;
  }

  get(name: string): UserHandle | undefined {
    const sessions = this.#users.get(name);
    if (sessions === undefined) return undefined;
    if (!(sessions instanceof Map)) {
      return { name, sessions: [sessions], session: (id) => (id === sessions.id ? sessions : undefined) };
    }
    return { name, sessions: [...sessions.values()], session: (id) => sessions.get(id) };
  }

  /** Live: what comes and goes during the walk is seen or not. */
  names(): IterableIterator<string> {
    return this.#users.keys();
  }

  all(): UserHandle[] {
    return [...this.handles()];
  }

  /** As `all`, one at a time: live, what comes and goes during the walk is seen or not. */
  *handles(): Generator<UserHandle> {
    for (const name of this.#users.keys()) {
      const user = this.get(name);
      if (user !== undefined) yield user;
    }
  }

  /** Subscriptions of users, destinations as the clients wrote them. Walks all of them: not for every message. */
  findSubscriptions(predicate: (subscription: SubscriptionHandle) => boolean): SubscriptionHandle[] {
    const found: SubscriptionHandle[] = [];
    for (const sessions of this.#users.values()) {
      for (const session of sessions instanceof Map ? sessions.values() : [sessions]) {
        found.push(...session.subscriptionList.filter(predicate));
      }
    }
    return found;
  }

  /** The sessions of a user, for delivery; undefined when there is none. */
  sessionIds(name: string): Iterable<string> | undefined {
    const sessions = this.#users.get(name);
    return sessions === undefined || sessions instanceof Map ? sessions?.keys() : [sessions.id];
  }

  has(name: string, sessionId: string): boolean {
    const sessions = this.#users.get(name);
    return sessions instanceof Map ? sessions.has(sessionId) : sessions?.id === sessionId;
  }

  add(name: string, session: SessionHandle): void {
    const sessions = this.#users.get(name);
    if (sessions === undefined) this.#users.set(name, session);
    else if (sessions instanceof Map) sessions.set(session.id, session);
    else {
      const both = [sessions, session].map((each) => [each.id, each] as const);
      this.#users.set(name, new Map(both));
    }
  }

  remove(name: string, session: SessionHandle): void {
    const sessions = this.#users.get(name);
    if (sessions instanceof Map) sessions.delete(session.id);
    const isLast = sessions instanceof Map ? sessions.size === 0 : sessions?.id === session.id;
    if (isLast) this.#users.delete(name);
  }
}
