/** What a command handler may see of its session and do to it. Implemented by Session. */
import type { HeartBeat, StompVersion } from '../../protocol/index.js';
import type { Route } from '../destinations/route.js';
import type { BrokerOptions } from '../options.js';
import type { ConnectRequest, Principal } from '../ports.js';
import type { Router } from '../router.js';
import type { Subscription, SubscriptionSpec } from '../subscription.js';
import type { TransactionTable } from '../transaction.js';

export interface CommandContext {
  readonly id: string;
  readonly version: StompVersion;
  readonly options: BrokerOptions;
  readonly router: Router;
  readonly transactions: TransactionTable;
  /** What precedes the digits in this node's message-ids. */
  readonly messageIdPrefix: string;
  readonly subscriptionCount: number;
  nextMessageId(): number;
  /** The route of a destination that this session sends to. */
  route(destination: string): Route;
  authenticate(request: Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>): Principal | Promise<Principal>;
  /** Enters the connected state and writes CONNECTED. */
  connected(welcome: Welcome): void;
  /** Answers `receipt`, when the frame has one, with RECEIPT: to be called once the frame's effect is there. */
  receipt(receiptId: string | undefined): void;
  createSubscription(key: string, spec: Omit<SubscriptionSpec, 'head' | 'outbox' | 'sessionId' | 'number'>): Subscription;
  findSubscription(key: string): Subscription | undefined;
  /** The subscription that an ack id was made for, by the number in its front. */
  findSubscriptionOfAck(ackId: string): Subscription | undefined;
  removeSubscription(key: string): void;
  subscriptions(): Iterable<Subscription>;
  /** The client has said goodbye: what is queued is written, then the connection ends. */
  disconnect(): void;
}

/** What CONNECT settled. */
export interface Welcome {
  readonly version: StompVersion;
  readonly clientHeartBeat: HeartBeat;
  readonly principal: Principal;
  readonly clientId: string | undefined;
  /** Echoed as `response-id` (conformance C-21). */
  readonly requestId: string | undefined;
}
