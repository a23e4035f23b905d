/**
 * The broker channel: every message that is not relayed octet by octet enters here, from clients on the strict path, from
 * handlers' replies and from the application; interceptors see it, then it is routed.
 */
import { Headers } from '../protocol/index.js';
import { Message } from './message.js';
import type { Interceptors } from './application/interceptors.js';
import type { UserDestinations } from './destinations/user-destinations.js';
import type { Router } from './router.js';
import type { BrokerStats } from './stats.js';

export interface PublisherParts {
  readonly router: Router;
  readonly users: UserDestinations;
  readonly interceptors: Interceptors;
  readonly stats: BrokerStats;
  readonly nextMessageId: () => number;
}

export class MessagePublisher {
  readonly #parts: PublisherParts;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /**
   * @param destination overrides what `headers` say
   * @param senderId the sending session; null for the application
   * @throws BrokerError `destination-…`, `queue-full`, or what an interceptor throws
   */
  publish(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    senderId: string | null,
  ): void {
    const { interceptors } = this.#parts;
    if (interceptors.broker === null) {
      this.#route(destination, headers, body, senderId);
      return;
    }
    const message = interceptors.applyBroker({ destination, headers: [...headers], body });
    if (message !== null) this.#route(message.destination, message.headers, message.body, senderId);
  }

  /**
   * To the sessions of a user, or to `sessionId` alone, which must be the user's own (an anonymous session is named by
   * its id): anything else reaches nobody.
   * @param rest behind the user, with its leading slash
   * @throws BrokerError `destination-unknown` (compat `strict`), or what an interceptor throws
   */
  publishToUser(
    user: string,
    rest: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    sessionId: string | null,
  ): void {
    const { users, interceptors } = this.#parts;
    if (interceptors.broker === null) {
      this.#toSessions(users.sessionsOf(user, sessionId), rest, headers, body);
      return;
    }
    const destination = users.format(user, rest);
    const message = interceptors.applyBroker({ destination, headers: [...headers], body });
    if (message === null) return;
    if (message.destination === destination) {
      this.#toSessions(users.sessionsOf(user, sessionId), rest, message.headers, message.body);
    } else this.#route(message.destination, message.headers, message.body, sessionId);
  }

  #route(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    senderId: string | null,
  ): void {
    const { users, router, nextMessageId, stats } = this.#parts;
    if (users.covers(destination)) {
      const target = users.parse(destination);
      if (target === null) stats.messagesDropped++;
      else this.#toSessions(users.resolve(target.user, senderId), target.rest, headers, body);
      return;
    }
    const message = Message.fromHeaders(nextMessageId(), withDestination(headers, destination), body);
    router.publish(router.route(destination), message);
  }

  /** One message, shared by the sessions: all see the same `/user/queue/…`. */
  #toSessions(ids: Iterable<string>, rest: string, headers: Iterable<readonly [string, string]>, body: Buffer): void {
    const { users, router, nextMessageId, stats } = this.#parts;
    stats.messagesIn++;
    let delivered = false;
    if (users.leadsSomewhere(rest)) {
      const visible = withDestination(headers, users.visibleDestination(rest));
      const message = Message.fromHeaders(nextMessageId(), visible, body);
      for (const id of ids) if (users.publish(id, rest, message)) delivered = true;
    } else router.check(rest);
    if (!delivered) stats.messagesDropped++;
  }
}

/** The same headers in the same order, with `destination` in its place or in front. */
function withDestination(headers: Iterable<readonly [string, string]>, destination: string): Headers {
  const list = [...headers];
  const at = list.findIndex(([name]) => name === 'destination');
  const named: readonly [string, string] = ['destination', destination];
  return new Headers(at < 0 ? [named, ...list] : list.with(at, named));
}
