/**
 * The broker channel: every message that is not relayed octet by octet enters here, from clients on the strict path, from
 * handlers' replies and from the application; interceptors see it, then it is routed.
 */
import { Headers } from '../protocol/index.js';
import { Message } from './message.js';
import type { Interceptors } from './application/interceptors.js';
import type { UserDestination, UserDestinations } from './destinations/user-destinations.js';
import type { Tracing } from './ports.js';
import type { RelayedUsers } from './relay/relayed-users.js';
import type { Router } from './router.js';
import { withTrace } from './trace-headers.js';
import type { WriteUnit } from './storage/write-unit.js';
import type { BrokerStats } from './stats.js';

export interface PublisherParts {
  readonly router: Router;
  readonly users: UserDestinations;
  readonly interceptors: Interceptors;
  readonly stats: BrokerStats;
  readonly nextMessageId: () => number;
  /** Users on other nodes behind the same external broker; null: there is none. */
  readonly relayedUsers: RelayedUsers | null;
  /** Null: nobody follows messages. */
  readonly tracing: Tracing | null;
}

/** Who gets a message for a user. */
interface Recipient {
  /** Sessions that are there. */
  readonly ids: Iterable<string>;
  readonly user: string;
  /** Null: all sessions of the user, or the sender's own. */
  readonly sessionId: string | null;
  readonly rest: string;
  /** It is for the user, not for one session: it may be kept. */
  readonly mayBeKept: boolean;
  /** The sending session; null for the application. */
  readonly senderId: string | null;
}

export class MessagePublisher {
  readonly #parts: PublisherParts;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /**
   * @param destination overrides what `headers` say
   * @param senderId the sending session; null for the application
   * @param unit what has to be stored for it goes there; to be submitted by the caller
   * @throws BrokerError `destination-…`, `queue-full`, or what an interceptor throws
   */
  publish(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    senderId: string | null,
    unit: WriteUnit,
  ): void {
    const { tracing } = this.#parts;
    if (tracing === null) {
      this.#publish(destination, headers, body, senderId, unit);
      return;
    }
    const isFromClient = senderId !== null;
    tracing.sending({ destination, template: this.#templateOf(destination), isFromClient, headers }, (trace) => {
      const carried = trace.length === 0 ? headers : withTrace(headers, trace);
      this.#publish(destination, carried, body, senderId, unit);
    });
  }

  #publish(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    senderId: string | null,
    unit: WriteUnit,
  ): void {
    const { interceptors } = this.#parts;
    if (interceptors.broker === null) {
      this.#route(destination, headers, body, senderId, unit);
      return;
    }
    const message = interceptors.applyBroker({ destination, headers: [...headers], body });
    if (message !== null) this.#route(message.destination, message.headers, message.body, senderId, unit);
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
    unit: WriteUnit,
  ): void {
    const { tracing, users } = this.#parts;
    if (tracing === null) {
      this.#publishToUser(user, rest, headers, body, sessionId, unit);
      return;
    }
    const destination = users.format(user, rest);
    const template = this.#templateOf(destination);
    tracing.sending({ destination, template, isFromClient: false, headers }, (trace) => {
      const carried = trace.length === 0 ? headers : withTrace(headers, trace);
      this.#publishToUser(user, rest, carried, body, sessionId, unit);
    });
  }

  /** Of a user: one name for all of them, or there would be as many as users. */
  #templateOf(destination: string): string | undefined {
    const { users } = this.#parts;
    if (!users.covers(destination)) return undefined;
    const target = users.parse(destination);
    return target === null ? undefined : users.format('{user}', target.rest);
  }

  #publishToUser(
    user: string,
    rest: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    sessionId: string | null,
    unit: WriteUnit,
  ): void {
    const { users, interceptors } = this.#parts;
    const ids = users.sessionsOf(user, sessionId);
    const recipient: Recipient = { ids, user, sessionId, rest, mayBeKept: sessionId === null, senderId: null };
    if (interceptors.broker === null) {
      this.#toSessions(recipient, headers, body, unit);
      return;
    }
    const destination = users.format(user, rest);
    const message = interceptors.applyBroker({ destination, headers: [...headers], body });
    if (message === null) return;
    if (message.destination === destination) {
      this.#toSessions(recipient, message.headers, message.body, unit);
    } else this.#route(message.destination, message.headers, message.body, sessionId, unit);
  }

  /** The server's own word to one session: to its own destination, also where that is an external broker's. */
  tell(sessionId: string, rest: string, headers: readonly [string, string][], body: Buffer, unit: WriteUnit): void {
    const { users, router, nextMessageId, stats } = this.#parts;
    if (router.relayed?.covers(rest) !== true) {
      this.#publishToUser(sessionId, rest, headers, body, sessionId, unit);
      return;
    }
    const visible = withDestination(headers, users.visibleDestination(rest));
    stats.messagesIn++;
    if (!router.relayed.tell(sessionId, rest, Message.fromHeaders(nextMessageId(), visible, body))) {
      stats.messagesDropped++;
    }
  }

  #route(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    senderId: string | null,
    unit: WriteUnit,
  ): void {
    const { users, router, nextMessageId, stats } = this.#parts;
    if (users.covers(destination)) {
      const target = users.parse(destination);
      if (target === null) stats.messagesDropped++;
      else this.#toSessions(this.#recipientOf(target, senderId), headers, body, unit);
      return;
    }
    const message = Message.fromHeaders(nextMessageId(), withDestination(headers, destination), body);
    message.originId = senderId;
    router.publish(router.route(destination), message, unit);
  }

  #recipientOf({ user, rest }: UserDestination, senderId: string | null): Recipient {
    const { users } = this.#parts;
    const isOwn = senderId !== null && users.isOwn(user, senderId);
    return { ids: users.resolve(user, senderId), user, sessionId: null, rest, mayBeKept: !isOwn, senderId };
  }

  /** One message, shared by the sessions: all see the same `/user/queue/…`. Kept when none of them is there for it. */
  #toSessions(
    { ids, user, sessionId, rest, mayBeKept, senderId }: Recipient,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    unit: WriteUnit,
  ): void {
    const { users, router, nextMessageId, stats } = this.#parts;
    stats.messagesIn++;
    let isTaken = false;
    const { relayed } = router;
    if (relayed?.covers(rest) === true) {
      const elsewhere = mayBeKept ? (this.#parts.relayedUsers?.sessionIds(user) ?? []) : [];
      const there = [...ids, ...elsewhere];
      relayed.publishToSessions(there, rest, headers, body, unit);
      isTaken = there.length > 0 || relayed.broadcastToUser(users.format(user, rest), headers, body, unit);
    } else if (users.leadsSomewhere(rest)) {
      const visible = withDestination(headers, users.visibleDestination(rest));
      const message = Message.fromHeaders(nextMessageId(), visible, body);
      message.originId = senderId;
      const { clusterUsers: others } = router;
      const isOwn = !mayBeKept && sessionId === null;
      const isElsewhere = others?.mayBeElsewhere({ sessionId }, isOwn) === true;
      if (isElsewhere) others.check(unit);
      const isUndecided = mayBeKept && router.inbox.shared?.isUndecided(user, rest) === true;
      if (!isUndecided) for (const id of ids) if (users.publish(id, rest, message, unit)) isTaken = true;
      const isKept = !isTaken && mayBeKept && router.inbox.keep({ user, rest }, message, unit, senderId !== null);
      // What nobody here takes comes to other nodes by way of the inbox, where that is one of all nodes.
      if (isElsewhere && !(isKept && router.inbox.shared !== null)) {
        others.publish({ user, sessionId, rest }, message, unit);
        // Nobody knows what becomes of it there.
        isTaken = true;
      }
      isTaken ||= isKept;
    } else router.kinds.check(rest);
    if (!isTaken) stats.messagesDropped++;
  }
}

/** The same headers in the same order, with `destination` in its place or in front. */
function withDestination(
  headers: Iterable<readonly [string, string]>,
  destination: string,
): Iterable<readonly [string, string]> {
  // As a client wrote it: mostly.
  if (headers instanceof Headers && headers.get('destination') === destination) return headers;
  const list = [...headers];
  const at = list.findIndex(([name]) => name === 'destination');
  const named: readonly [string, string] = ['destination', destination];
  return at < 0 ? [named, ...list] : list.with(at, named);
}
