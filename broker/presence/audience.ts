/**
 * Who of this node is subscribed to one topic, while somebody wants to know: sessions, by user. Subscriptions to the very
 * topic count, durable ones while their client is there; a pattern hears the topic and is not there for it.
 */

/** What has changed: a user, or (null) the anonymous sessions, and how many sessions there are now. */
export interface AudienceChange {
  readonly user: string | null;
  readonly sessions: number;
  /** A session ended, and its client may be back in a moment; false: it unsubscribed, or came. */
  readonly mayReturn: boolean;
}

interface Listener {
  readonly user: string | null;
  /** Of this session to this topic. */
  subscriptions: number;
}

export class Audience {
  readonly #sessions = new Map<string, Listener>();
  /** Sessions of each user. */
  readonly #users = new Map<string, number>();
  #anonymous = 0;

  get users(): ReadonlyMap<string, number> {
    return this.#users;
  }

  get anonymous(): number {
    return this.#anonymous;
  }

  /** A subscription more. @returns null when the session was there already */
  add(sessionId: string, user: string | null): AudienceChange | null {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) {
      known.subscriptions++;
      return null;
    }
    this.#sessions.set(sessionId, { user, subscriptions: 1 });
    return { user, sessions: this.#count(user, 1), mayReturn: false };
  }

  /** A subscription less. @returns null when the session is still there, or never was */
  remove(sessionId: string, isSessionOver: boolean): AudienceChange | null {
    const known = this.#sessions.get(sessionId);
    if (known === undefined || --known.subscriptions > 0) return null;
    this.#sessions.delete(sessionId);
    return { user: known.user, sessions: this.#count(known.user, -1), mayReturn: isSessionOver };
  }

  #count(user: string | null, by: 1 | -1): number {
    if (user === null) return (this.#anonymous += by);
    const sessions = (this.#users.get(user) ?? 0) + by;
    if (sessions === 0) this.#users.delete(user);
    else this.#users.set(user, sessions);
    return sessions;
  }
}
