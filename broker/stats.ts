/** Counters of one node: plain numbers, added to where things happen, read by whoever reports. */
import { CLOSE_CODES, type CloseCode } from './close-reason.js';
import type { DeadLetterReason } from './destinations/dead-letter-reason.js';
import type { FeedCounts } from './feed/feed-counts.js';
import type { TransportName } from './ports.js';

export class BrokerStats {
  /** Since start. */
  connectionsTotal = 0;
  connectionsRefused = 0;
  /** Connections that are open now, by transport. */
  readonly currentByTransport = new Map<TransportName, number>();
  /** Connections that the network, not client or server, ended. */
  transportErrors = 0;
  /** CONNECT and STOMP frames, counted before interceptors and authentication (Spring S13.2). */
  connectFrames = 0;
  connectedFrames = 0;
  /** DISCONNECT frames of clients; connections that just ended are not in here. */
  disconnectFrames = 0;
  /** Frames of clients, heart-beats not counted. */
  framesIn = 0;
  /** SENDs taken on. */
  messagesIn = 0;
  /** SENDs to destinations outside every prefix. */
  messagesDropped = 0;
  /** Messages that gave way to newer ones for a slow subscriber, by policy. */
  readonly givenWay = { 'drop-oldest': 0, 'latest-per-key': 0 };
  /** Messages given up, by queues and for topic subscriptions that refused them, by reason. */
  readonly givenUp: Record<DeadLetterReason, number> = { rejected: 0, expired: 0, 'max-deliveries': 0, overflow: 0 };
  /** Of these, the ones that are kept in a dead-letter destination. */
  deadLettered = 0;
  /** Times that a dead-letter destination took none: the message stayed in its queue. */
  deadLettersRefused = 0;
  /** Messages delivered again after a client did not consume them. */
  redelivered = 0;
  /** Frames over a rate: refused, or their clients had to wait. */
  rateLimited = 0;
  /** What clients were refused, by code of BrokerError or ProtocolError; codes that never came are not there. */
  readonly refused = new Map<string, number>();
  /** CONNECTs refused unasked, after too many wrong credentials. */
  loginsLimited = 0;
  /** SENDs refused as their queue was full. */
  queueFull = 0;
  /** Histories that were forgotten as all together took too much room. */
  historiesGivenWay = 0;
  /** SUBSCRIBEs that asked for what was missed and got all of it, or not. */
  historyRecovered = 0;
  historyUnrecovered = 0;
  /** Times that messages were gone before a subscription had read them: each was told so. */
  historyGaps = 0;
  /** Messages for users who were not there, since start. */
  readonly inbox = { kept: 0, delivered: 0, expired: 0, overflow: 0, refused: 0 };
  /** Messages not delivered again, as their `message-key` was seen before. */
  duplicates = 0;
  errorsSent = 0;
  /** Now. */
  subscriptions = 0;
  readonly closed: Record<CloseCode, number> = Object.fromEntries(CLOSE_CODES.map((code) => [code, 0])) as Record<
    CloseCode,
    number
  >;

  /** What operators want to hear of. */
  get feedCounts(): FeedCounts {
    const { rejected, expired, overflow, 'max-deliveries': maxDeliveries } = this.givenUp;
    return {
      'connections-refused': this.connectionsRefused,
      'rate-limited': this.rateLimited,
      'slow-consumers': this.closed['slow-consumer'],
      'dropped-oldest': this.givenWay['drop-oldest'],
      'dropped-older-of-key': this.givenWay['latest-per-key'],
      'given-up': rejected + expired + overflow + maxDeliveries,
      'queue-full': this.queueFull,
      'messages-dropped': this.messagesDropped,
    };
  }

  countRefusal(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }

  /** @param by 1 when a connection opens, -1 when it ends */
  countTransport(transport: TransportName, by: 1 | -1): void {
    this.currentByTransport.set(transport, (this.currentByTransport.get(transport) ?? 0) + by);
  }
}
