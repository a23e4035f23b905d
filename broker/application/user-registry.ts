/** Who is connected: users by name with their sessions and subscriptions (Spring S7.7–S7.9). Anonymous sessions are in none. */
import type { SessionHandle, SubscriptionHandle } from './session-handle.js';

export interface UserHandle {
  readonly name: string;
  /** In order of connecting. */
  readonly sessions: readonly SessionHandle[];
  session(id: string): SessionHandle | undefined;
}

export class UserRegistry {
  readonly #users = new Map<string, Map<string, SessionHandle>>();

  /** Users with at least one session. */
  count(): number {
    return this.#users.size;
  }

  get(name: string): UserHandle | undefined {
    const sessions = this.#users.get(name);
    if (sessions === undefined) return undefined;
    return { name, sessions: [...sessions.values()], session: (id) => sessions.get(id) };
  }

  all(): UserHandle[] {
    return [...this.#users.keys()].flatMap((name) => this.get(name) ?? []);
  }

  /** Subscriptions of users, destinations as the clients wrote them. Walks all of them: not for every message. */
  findSubscriptions(predicate: (subscription: SubscriptionHandle) => boolean): SubscriptionHandle[] {
    const found: SubscriptionHandle[] = [];
    for (const sessions of this.#users.values()) {
      for (const session of sessions.values()) found.push(...session.subscriptionList.filter(predicate));
    }
    return found;
  }

  /** The sessions of a user, for delivery; undefined when there is none. */
  sessionIds(name: string): IterableIterator<string> | undefined {
    return this.#users.get(name)?.keys();
  }

  has(name: string, sessionId: string): boolean {
    return this.#users.get(name)?.has(sessionId) === true;
  }

  add(name: string, session: SessionHandle): void {
    let sessions = this.#users.get(name);
    if (sessions === undefined) this.#users.set(name, (sessions = new Map<string, SessionHandle>()));
    sessions.set(session.id, session);
  }

  remove(name: string, session: SessionHandle): void {
    const sessions = this.#users.get(name);
    sessions?.delete(session.id);
    if (sessions?.size === 0) this.#users.delete(name);
  }
}
