/**
 * What an operator can see: views of the live objects, read when they are looked at. Nothing is kept or counted for them
 * alone.
 */
import type { NegotiatedHeartBeat } from '../../protocol/index.js';
import type { SessionHandle } from '../application/session-handle.js';
import type { AckMode } from '../subscription.js';

export interface SessionDetails extends SessionHandle {
  /** Counts the connections of this node from 1: the order in which they were accepted. */
  readonly number: number;
  readonly state: 'awaiting-connect' | 'authenticating' | 'connected' | 'closing' | 'closed';
  readonly clientId: string | undefined;
  /** By the broker's clock (`Clock.nowMs`), good to about 50 ms; the last two are heart-beats too. */
  readonly acceptedMs: number;
  readonly lastReadMs: number;
  readonly lastWriteMs: number;
  /** As negotiated; nothing before CONNECTED. */
  readonly heartBeat: NegotiatedHeartBeat;
  /** Octets that wait in its outbox. */
  readonly queuedBytes: number;
  /** Octets that the transport has not sent yet. */
  readonly transportBytes: number;
  readonly subscriptionCount: number;
  /** In the order of subscribing, or nearly. */
  subscriptions(): Iterable<SubscriptionDetails>;
}

export interface SubscriptionDetails {
  /** Counts the subscriptions of its session from 1. */
  readonly number: number;
  /** Null on 1.0 without an id. */
  readonly id: string | null;
  /** As the client wrote it, `/user/…` included. */
  readonly destination: string;
  readonly sessionId: string;
  readonly ackMode: AckMode;
  /** Most deliveries that may wait for their ACK. */
  readonly window: number;
  readonly isExclusive: boolean;
  readonly isBrowser: boolean;
  /** Null: it lives and dies with its session. */
  readonly durableKey: string | null;
  readonly selector: { readonly text: string } | null;
  /** Null in auto mode. */
  readonly pending: { readonly size: number } | null;
}

/** A topic or queue that the broker remembers: it has subscribers, holds something, or was used lately. */
export interface DestinationDetails {
  readonly destination: string;
  readonly kind: 'topic' | 'queue';
  /** Subscriptions to this very destination; those to patterns are not among them. */
  readonly subscriberCount: number;
  /** Of a queue for one consumer each; null for what is fanned out. */
  readonly queue: QueueDetails | null;
  /** Of a topic that keeps messages. */
  readonly history: { readonly messages: number; readonly bytes: number } | null;
}

/**
 * What a queue holds. Of one that all nodes share: as the store said when it was asked last (`BrokerOperations.readQueues`,
 * `QueueOperations.readDetails`), and `subscriberCount` is of this node alone.
 */
export interface QueueDetails {
  readonly destination: string;
  /** Messages that wait, for a consumer or for their time. */
  readonly depth: number;
  /** Of these. */
  readonly bytes: number;
  /** Messages that wait for their time. */
  readonly delayed: number;
  /** Delivered and not settled; of a queue that nodes share, by any of them, what is about to be delivered included. */
  readonly unsettled: number;
  readonly subscriberCount: number;
  /** Where its messages go that are given up; false: nowhere. */
  readonly deadLetter: string | false;
  readonly isDurable: boolean;
}

/** A message as it waits in a queue. */
export interface BrowsedMessage {
  /** As its MESSAGE frames name it. */
  readonly messageId: string;
  /** What names it among the queue's messages. */
  readonly number: number;
  readonly priority: number;
  /** How often it was delivered so far. */
  readonly deliveryCount: number;
  readonly isStored: boolean;
  /** Time of day in ms since the epoch; 0 is never. */
  readonly expiresEpochMs: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}
