/**
 * Destinations that belong to an external broker (Spring S11): who here has subscribed to what there, and how messages get
 * there. What an own subscription is and what is shared: adapters/relays/stomp/DESIGN.md, 3.
 */
import { quoteInput, type Headers } from '../../protocol/index.js';
import { isPattern } from '../destinations/pattern.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import type { LiveSource } from '../destinations/topic-source.js';
import type { Route } from '../destinations/route.js';
import type { BrokerRelay, Logger, RelayClient, RelayedFrame, RelayedMessage, RelayLink } from '../ports.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { AckMode, Subscription } from '../subscription.js';
import { RelayBatch } from './relay-batch.js';
import { RelayedSubscription } from './relayed-subscription.js';
import { RelayedTopic } from './relayed-topic.js';

export interface RelayedParts {
  readonly relay: BrokerRelay;
  readonly logger: Logger;
  readonly nextMessageId: () => number;
  readonly live: LiveSource;
  /** Behind the user: `/user/queue/x` → `/queue/x`; null for any other destination. */
  readonly restOf: (destination: string) => string | null;
  /** `/queue/x` → `/user/queue/x`. */
  readonly visible: (rest: string) => string;
  /** Whether each subscriber gets each message. */
  readonly isTopic: (destination: string) => boolean;
  /** Ends a session with ERROR. */
  readonly refuse: (sessionId: string, error: BrokerError) => void;
}

/** What a client wants of the external broker. */
export interface RelayedWish {
  readonly sessionId: string;
  /** As the client wrote it. */
  readonly destination: string;
  readonly ackMode: AckMode;
  readonly headers: Headers;
  /** Most deliveries that may be unacknowledged. */
  readonly maxPending: number;
}

/** Where a subscription's messages come from, confirmed by the external broker. */
export type RelayedPlace = RelayedTopic | RelayedSubscription;

/** What every subscription has: anything else is a wish of its own. */
const COMMON_HEADERS: ReadonlySet<string> = new Set(['id', 'destination', 'ack', 'receipt', 'content-length']);
/** A session's own queue as Spring names it: the session's id, 22 characters, is at its end. */
const OWN_QUEUE = /-user([A-Za-z0-9_-]{22})$/;

export class RelayedDestinations {
  /** For SEND; one for all, as nothing is kept of a destination. */
  readonly route: Route;
  readonly relay: BrokerRelay;
  readonly #parts: RelayedParts;
  /** Shared subscriptions, by destination at the external broker. */
  readonly #topics = new Map<string, RelayedTopic>();
  readonly #places = new Map<Subscription, RelayedPlace>();
  readonly #clients = new Map<string, RelayClient>();
  /** By session, the subscriptions it shares with nobody. */
  readonly #alone = new Map<string, Set<Subscription>>();

  constructor(parts: RelayedParts) {
    this.#parts = parts;
    this.relay = parts.relay;
    this.route = new RelayedRoute((message, unit) => {
      this.#send(message, unit);
    });
  }

  /** Whether a SUBSCRIBE there is the external broker's, users' own destinations included. */
  covers(destination: string): boolean {
    return this.relay.covers(this.#parts.restOf(destination) ?? destination);
  }

  /** A client says CONNECT; undefined when nothing has to be waited for. @throws BrokerError `relay-unavailable` */
  connect(sessionId: string, login: string | undefined, passcode: string | undefined): Promise<void> | undefined {
    return this.relay.isShared ? undefined : this.#open(sessionId, login, passcode).ready;
  }

  /** The session is over. */
  endSession(sessionId: string): void {
    this.#clients.get(sessionId)?.close();
    this.#clients.delete(sessionId);
    this.#alone.delete(sessionId);
  }

  /** What to wait for before more of a client is read. */
  caughtUp(sessionId: string): Promise<void> | undefined {
    return this.#clients.get(sessionId)?.caughtUp();
  }

  /** What to wait for until everything the client has sent is confirmed. */
  settled(sessionId: string): Promise<void> | undefined {
    return this.#clients.get(sessionId)?.settled();
  }

  /**
   * Asks for a subscription; the place is to be given to `add` or to `leave`.
   * @throws BrokerError `destination-invalid`, `relay-…`
   */
  async subscribe(wish: RelayedWish): Promise<RelayedPlace> {
    // Also where others share it already: it would be silent.
    if (this.relay.problem !== null) throw new BrokerError('relay-unavailable', 'Broker not available.');
    const rest = this.#parts.restOf(wish.destination);
    const upstream = rest === null ? wish.destination : ownQueue(rest, wish.sessionId);
    if (rest === null) this.#checkSubscribable(wish);
    const isFannedOut = rest !== null || this.#parts.isTopic(wish.destination);
    const isPlain = wish.ackMode === 'auto' && [...wish.headers].every(([name]) => COMMON_HEADERS.has(name));
    const isShared = this.relay.isShared && isFannedOut && isPlain;
    return isShared ? this.#join(upstream, rest) : this.#subscribeAlone(wish, upstream, rest);
  }

  /** Takes up a subscription whose place is confirmed. */
  add(subscription: Subscription, place: RelayedPlace): void {
    const { sessionId } = subscription;
    this.#places.set(subscription, place);
    if (place instanceof RelayedSubscription) {
      const alone = this.#alone.get(sessionId) ?? new Set();
      this.#alone.set(sessionId, alone.add(subscription));
    }
    place.add(subscription);
  }

  /** The subscription could not be made after all. */
  leave(place: RelayedPlace): void {
    if (place instanceof RelayedTopic) place.leave();
    else void place.end([], false);
  }

  /** Before `remove`, where the client asks for the end; a promise when the external broker is to confirm it. */
  unsubscribe(subscription: Subscription, headers: Headers, isAwaited: boolean): Promise<void> | undefined {
    const place = this.#places.get(subscription);
    const also = [...headers].filter(([name]) => name !== 'destination');
    return place instanceof RelayedSubscription ? place.end(also, isAwaited) : undefined;
  }

  /** Whether it was one of these. */
  remove(subscription: Subscription): boolean {
    const place = this.#places.get(subscription);
    if (place === undefined) return false;
    this.#places.delete(subscription);
    this.#alone.get(subscription.sessionId)?.delete(subscription);
    place.remove(subscription);
    return true;
  }

  /** A message for sessions of a user, here or on other nodes, as each one's own queue. */
  publishToSessions(
    sessionIds: Iterable<string>,
    rest: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    unit: WriteUnit,
  ): void {
    const original: readonly [string, string] = ['simpOrigDestination', this.#parts.visible(rest)];
    const own = [...relayable(headers)].filter(([name]) => name !== 'destination');
    for (const sessionId of sessionIds) {
      const destination: readonly [string, string] = ['destination', ownQueue(rest, sessionId)];
      const all = [destination, ...own, original, ...this.relay.userQueueHeaders];
      this.#add(unit, this.relay.system, { command: 'SEND', headers: all, body }, null);
    }
  }

  /** A message for a user who has no session here, to the other nodes. @returns false when there is no way to */
  broadcastToUser(
    destination: string,
    headers: Iterable<readonly [string, string]>,
    body: Buffer,
    unit: WriteUnit,
  ): boolean {
    const address = this.relay.userDestinationBroadcast;
    if (address === null) return false;
    const own = [...relayable(headers)].filter(([name]) => name !== 'destination');
    const all = [['destination', address] as const, ...own, ['simpOrigDestination', destination] as const];
    this.#add(unit, this.relay.system, { command: 'SEND', headers: all, body }, null);
    return true;
  }

  /** The server's own word to one session, past the external broker, which may be what it is about. */
  tell(sessionId: string, rest: string, message: Message): boolean {
    const topic = this.#topics.get(ownQueue(rest, sessionId));
    topic?.publish(message);
    const visible = this.#parts.visible(rest);
    const alone = [...(this.#alone.get(sessionId) ?? [])].filter(({ destination }) => destination === visible);
    for (const subscription of alone) subscription.deliver(message, 1);
    return topic !== undefined || alone.length > 0;
  }

  /** What a client sees of a message: no header that is the external broker's word to this node. */
  #toMessage({ headers, destination, body }: RelayedMessage, rest: string | null): Message {
    const visible = rest === null ? destination : this.#parts.visible(rest);
    const others = [...headers].filter(([name]) => name !== 'destination');
    return Message.fromHeaders(this.#parts.nextMessageId(), [['destination', visible], ...others], body);
  }

  #join(upstream: string, rest: string | null): Promise<RelayedPlace> {
    let topic = this.#topics.get(upstream);
    if (topic === undefined) {
      const created: RelayedTopic = new RelayedTopic(upstream, this.#parts.live, () => {
        if (this.#topics.get(upstream) === created) this.#topics.delete(upstream);
      });
      this.#topics.set(upstream, (topic = created));
    }
    const joined = topic;
    return joined.join(() => {
      const headers = [['destination', upstream] as const, ['ack', 'auto'] as const];
      return this.relay.shareSubscription([...headers, ...(rest === null ? [] : this.relay.userQueueHeaders)], {
        onMessage: (message) => {
          // A pattern of one client must not show it what is another's own (Spring S15.13).
          if (rest === null && OWN_QUEUE.test(message.destination)) return;
          joined.publish(this.#toMessage(message, rest));
        },
        onRefused: (error) => {
          joined.refuse(error, this.#parts.refuse);
        },
      });
    });
  }

  async #subscribeAlone(
    { sessionId, ackMode, headers, maxPending }: RelayedWish,
    upstream: string,
    rest: string | null,
  ): Promise<RelayedPlace> {
    const client = this.#clientOf(sessionId);
    const place = new RelayedSubscription({
      client,
      toMessage: (message) => this.#toMessage(message, rest),
      relay: (unit, command, ack) => {
        this.#add(unit, client, { command, headers: ack, body: null }, sessionId);
      },
    });
    const own = [...headers].filter(([name]) => !['destination', 'ack', 'receipt', 'content-length'].includes(name));
    const window: [string, string][] =
      ackMode === 'auto' || headers.has('prefetch-count') ? [] : [['prefetch-count', String(maxPending)]];
    const all: Iterable<readonly [string, string]> = [
      ['destination', upstream],
      ['ack', ackMode === 'auto' ? 'auto' : 'client-individual'],
      ...own,
      // On 1.0 the destination is what names a subscription.
      ...(headers.has('id') ? [] : [['id', upstream] as const]),
      ...window,
      ...(rest === null ? [] : this.relay.userQueueHeaders),
    ];
    const confirmed = await client.subscribe(all, (message) => {
      place.receive(message);
    });
    return place.confirmed(confirmed);
  }

  #checkSubscribable({ destination, sessionId }: RelayedWish): void {
    this.#checkOwn(destination, sessionId);
    const isWild = isPattern(destination) || /[#>]/.test(destination);
    if (!isWild || this.#parts.isTopic(destination)) return;
    throw new BrokerError(
      'destination-invalid',
      `A pattern cannot be subscribed on a queue: ${quoteInput(destination, 120)}`,
    );
  }

  /** The destination of a queue at the external broker. @throws BrokerError `access-denied` for another session's own */
  checkQueue(name: string, sessionId: string): string {
    const destination = `/queue/${name}`;
    this.#checkOwn(destination, sessionId);
    return destination;
  }

  /** @throws BrokerError `access-denied` for what is another session's own (D10) */
  #checkOwn(destination: string, sessionId: string): void {
    const owner = OWN_QUEUE.exec(destination)?.[1];
    if (owner === undefined || owner === sessionId) return;
    throw new BrokerError('access-denied', `${quoteInput(destination, 120)} is another session's own`);
  }

  #send(message: Message, given: WriteUnit | null): void {
    const unit = given ?? new WriteUnit(null);
    const { headers, body } = message.decode();
    const { originId } = message;
    if (originId !== null) this.#checkOwn(headers.get('destination') ?? '', originId);
    const link = originId === null ? this.relay.system : this.#clientOf(originId);
    this.#add(unit, link, { command: 'SEND', headers, body }, originId);
    if (given === null) unit.submit()?.catch((error: unknown) => this.#logRefusal(error));
  }

  /** @param sessionId who is told when it is refused and nobody waits for it; null: the log */
  #add(unit: WriteUnit, link: RelayLink, frame: RelayedFrame, sessionId: string | null): void {
    const batch = unit.external instanceof RelayBatch ? unit.external : new RelayBatch();
    unit.external = batch;
    batch.add(link, frame, (error) => {
      if (sessionId === null) this.#logRefusal(error);
      else this.#parts.refuse(sessionId, error);
    });
  }

  #logRefusal(error: unknown): void {
    this.#parts.logger.warn({ err: error }, 'the external broker has not taken a message');
  }

  #clientOf(sessionId: string): RelayClient {
    return this.#clients.get(sessionId) ?? this.#open(sessionId, undefined, undefined);
  }

  #open(sessionId: string, login: string | undefined, passcode: string | undefined): RelayClient {
    const onLost = (error: BrokerError): void => {
      this.#parts.refuse(sessionId, error);
    };
    const client = this.relay.openClient({ sessionId, login, passcode, onLost });
    this.#clients.set(sessionId, client);
    return client;
  }
}

/** `/queue/x` of a session → `/queue/x-user<session>` (Spring S3.20). */
function ownQueue(rest: string, sessionId: string): string {
  return `${rest}-user${sessionId}`;
}

/** Without what is the server's own to say. */
function relayable(headers: Iterable<readonly [string, string]>): Headers {
  return Message.fromHeaders(0, headers, Buffer.alloc(0)).decode().headers;
}

/** SENDs are decoded and weighed one by one: none is passed on as it stands. */
class RelayedRoute implements Route {
  readonly destination = '';
  readonly kind = 'relayed';
  readonly isDirect = false;
  readonly subscriberCount = 0;
  readonly isIdle = true;
  isLive = false;
  readonly publish: (message: Message, unit: WriteUnit | null) => void;

  constructor(publish: (message: Message, unit: WriteUnit | null) => void) {
    this.publish = publish;
  }

  add(): void {
    // Subscriptions are asked for before they are made: RelayedDestinations.subscribe.
  }

  remove(): void {
    // As add.
  }
}
