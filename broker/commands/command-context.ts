/** What a command handler may see of its session and do to it. Implemented by Session. */
import type { Frame, HeartBeat, StompVersion } from '../../protocol/index.js';
import type { MessageKeys } from '../message-keys.js';
import type { BrokerOptions } from '../options.js';
import type { ConnectRequest, Principal } from '../ports.js';
import type { Router } from '../router.js';
import type { Subscription, SubscriptionSpec } from '../subscription.js';
import type { TemporaryQueue } from '../destinations/temporary-queues.js';
import type { UnitTerms, WriteUnit } from '../storage/write-unit.js';
import type { TransactionTable } from '../transaction.js';

export interface CommandContext {
  readonly id: string;
  readonly version: StompVersion;
  /** Null until CONNECTED. */
  readonly principal: Principal | null;
  /** `client-id` of CONNECT. */
  readonly clientId: string | undefined;
  readonly options: BrokerOptions;
  readonly router: Router;
  readonly transactions: TransactionTable;
  /** Which messages were sent before. */
  readonly keys: MessageKeys;
  /** What precedes the digits in this node's message-ids. */
  readonly messageIdPrefix: string;
  /** Length of all selectors of the session. */
  readonly selectorBytes: number;
  /** What the patterns it holds may cost others: patternWeight. */
  readonly patternBytes: number;
  /** Asks the rules, as written and as resolved. @throws BrokerError `access-denied` */
  authorize(action: 'send' | 'subscribe', destination: string): void | Promise<void>;
  /**
   * Publishes a SEND of this session on the strict path: to handlers, users, topics or queues.
   * @param key what `keys` made of its `message-key`; a handler that fails without anybody being told leaves it free
   */
  publish(frame: Frame, unit: WriteUnit, key: string | null): void | Promise<void>;
  /**
   * Counts a SEND that is allowed towards what its destinations take. @returns how long the client is not to be read
   * afterwards, in ms: for `pause`
   * @throws BrokerError `rate-limited`
   */
  charge(destinations: readonly string[], frame: Frame): number;
  /** The session's input waits so long. */
  pause(ms: number): Promise<void>;
  createUnit(terms?: UnitTerms): WriteUnit;
  /**
   * Has the unit stored, then answers the frame's `receipt`; frames behind it are handled meanwhile. A store that fails
   * ends the session with ERROR. A promise when so much is on its way to the store that the client has to wait.
   */
  submit(unit: WriteUnit, frame: Frame): void | Promise<void>;
  /** Runs `next` once every RECEIPT owed so far is given. */
  afterReceipts(next: () => void | Promise<void>): void | Promise<void>;
  /** Calls the `/app` handler of a SUBSCRIBE, whose result goes to `subscription`. */
  callSubscribeHandler(frame: Frame, subscription: Subscription): void | Promise<void>;
  /** Takes new credentials on: same user, later expiry. @throws BrokerError `authentication-failed` */
  renew(principal: Principal): void;
  authenticate(
    request: Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>,
  ): Principal | Promise<Principal>;
  /** Enters the connected state and writes CONNECTED. */
  connected(welcome: Welcome): void | Promise<void>;
  /**
   * Answers `receipt`, when the frame has one, with RECEIPT: to be called once the frame's effect is there. Behind the
   * RECEIPTs of earlier frames that wait for the store.
   * @param also more headers of it
   */
  receipt(receiptId: string | undefined, also?: readonly (readonly [string, string])[]): void;
  /** The session's queue of that name, made at first need. @throws BrokerError `destination-invalid`, `limit-exceeded` */
  claimTemporaryQueue(name: string): TemporaryQueue;
  /** Adds one under a key that is free; `router.subscribe` takes it up. @throws BrokerError `limit-exceeded` */
  createSubscription(
    key: string,
    spec: Omit<SubscriptionSpec, 'head' | 'outbox' | 'sessionId' | 'number'>,
  ): Subscription;
  findSubscription(key: string): Subscription | undefined;
  /** The subscription that an ack id was made for, by the number in its front. */
  findSubscriptionOfAck(ackId: string): Subscription | undefined;
  /** Whether a subscription in the client ack modes has ended: the one of this number, or any. */
  hasEndedSubscription(number?: number): boolean;
  removeSubscription(key: string): void;
  /** Whether an operator ended the subscription of that key, which its client may still believe in; tells it once. */
  takeRevoked(key: string): boolean;
  subscriptions(): Iterable<Subscription>;
  /** The subscription is live: tells the application. */
  subscribed(subscription: Subscription): void;
  /** The client has said goodbye: what is queued is written, then the connection ends. */
  goodbye(): void;
}

/** What CONNECT settled. */
export interface Welcome {
  /** Of the CONNECT frame; the first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly version: StompVersion;
  readonly clientHeartBeat: HeartBeat;
  readonly principal: Principal;
  readonly clientId: string | undefined;
  /** Echoed as `response-id` (conformance C-21). */
  readonly requestId: string | undefined;
}
