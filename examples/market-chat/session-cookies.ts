/** Sessions of the web application, known by a cookie: the same for REST and for sockets. */
import { randomBytes } from 'node:crypto';

const MAX_SESSIONS = 10_000;
/** The page shows two users in one browser: `?as=ann` says which of its cookies is meant. */
const NAME = 'sid';

export class SessionCookies {
  readonly #users = new Map<string, string>();

  /** Begins a session. @returns the value of Set-Cookie */
  begin(user: string, as: string | null): string {
    const id = randomBytes(16).toString('hex');
    this.#users.set(id, user);
    const [oldest] = this.#users.keys();
    if (this.#users.size > MAX_SESSIONS && oldest !== undefined) this.#users.delete(oldest);
    return `${nameOf(as)}=${id}; HttpOnly; SameSite=Strict; Path=/`;
  }

  /** The user of a request, by its cookie; null when it has none of ours. */
  userOf(url: string, cookie: string | undefined): string | null {
    const name = nameOf(new URL(url, 'http://localhost').searchParams.get('as'));
    for (const pair of cookie?.split(';') ?? []) {
      const [key, value = ''] = pair.trim().split('=');
      if (key === name) return this.#users.get(value) ?? null;
    }
    return null;
  }
}

function nameOf(as: string | null): string {
  return as !== null && /^[a-z]{1,20}$/.test(as) ? `${NAME}-${as}` : NAME;
}
