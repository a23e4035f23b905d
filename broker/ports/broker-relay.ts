/** An external STOMP broker that some destinations belong to. */
import type { BrokerError } from '../errors.js';

/** A frame for an external broker. */
export interface RelayedFrame {
  readonly command: 'SEND' | 'ACK' | 'NACK';
  readonly headers: Iterable<readonly [string, string]>;
  /** Null: the command has none. */
  readonly body: Buffer | null;
}

/** Frames that take effect together: several are one transaction. */
export interface RelayRequest {
  readonly frames: readonly RelayedFrame[];
  /** Somebody waits for the external broker's word; else only its refusal matters. */
  readonly isAwaited: boolean;
  /** Called when the external broker refuses it, unless it is awaited. */
  readonly onRefused: (error: BrokerError) => void;
}

/** A way to an external broker on which requests keep their order. */
export interface RelayLink {
  /**
   * Hands a request over; its octets are copied.
   * @returns when awaited, what resolves once the external broker has confirmed it and rejects with BrokerError
   * `relay-refused`, `relay-lost`; else undefined
   * @throws BrokerError `relay-unavailable`
   */
  submit(request: RelayRequest): Promise<void> | undefined;
  /** What to wait for before more is submitted, as so much is unconfirmed; undefined when that is nothing. */
  caughtUp(): Promise<void> | undefined;
  /** What to wait for until everything submitted is confirmed or given up; undefined when that is nothing. */
  settled(): Promise<void> | undefined;
}

/** What ACK and NACK of one message have to say to the external broker. */
export interface RelayAck {
  readonly headers: readonly (readonly [string, string])[];
  /** False once the connection that the message came over is gone: it comes again, and this ACK would mean nothing. */
  readonly isLive: boolean;
}

/** A MESSAGE of an external broker. */
export interface RelayedMessage {
  readonly headers: Iterable<readonly [string, string]>;
  /** Of the `destination` header. */
  readonly destination: string;
  /** May be a view of the octets it arrived in. */
  readonly body: Buffer;
  readonly isRedelivered: boolean;
  /** Null on shared subscriptions. */
  readonly ack: RelayAck | null;
}

/** A subscription at the external broker. */
export interface RelaySubscription {
  /**
   * Ends it. @param headers beside the id, which say more to the external broker
   * @returns as `RelayLink.submit`
   */
  end(headers: Iterable<readonly [string, string]>, isAwaited: boolean): Promise<void> | undefined;
}

/** One client at the external broker. */
export interface RelayClient extends RelayLink {
  /** Until then the client is not to be told CONNECTED; rejects with BrokerError `relay-unavailable`. Undefined: at once. */
  readonly ready: Promise<void> | undefined;
  /**
   * A subscription of this client alone; resolves once it is confirmed. Messages may come before that.
   * @param headers of SUBSCRIBE, `id`, `destination` and `ack` among them
   * @throws BrokerError `relay-unavailable`, `relay-refused`, `relay-lost`
   */
  subscribe(
    headers: Iterable<readonly [string, string]>,
    onMessage: (message: RelayedMessage) => void,
  ): Promise<RelaySubscription>;
  /** Stops, then goes on, receiving messages of this client's own subscriptions. */
  pause(): void;
  resume(): void;
  /** The session is over. */
  close(): void;
}

export interface RelayClientRequest {
  readonly sessionId: string;
  /** Of its CONNECT. */
  readonly login: string | undefined;
  readonly passcode: string | undefined;
  /** The client's own part at the external broker is gone for good: its session is to be ended. */
  readonly onLost: (error: BrokerError) => void;
}

export interface SharedSubscriptionEvents {
  onMessage(message: RelayedMessage): void;
  /** The external broker does not let it be any more. */
  onRefused(error: BrokerError): void;
}

export interface RelayProblem {
  /** One line. */
  readonly message: string;
  readonly sinceEpochMs: number;
}

/** An external broker that some destinations belong to (Spring: `enableStompBrokerRelay`). */
export interface BrokerRelay {
  /** What logs and health call it, e.g. `stomp`. */
  readonly name: string;
  /** Null: it can be reached. */
  readonly problem: RelayProblem | null;
  /** Whether clients without wishes of their own share subscriptions. */
  readonly isShared: boolean;
  /** Added to SEND and SUBSCRIBE of users' own queues. */
  readonly userQueueHeaders: readonly (readonly [string, string])[];
  /** Addresses of the nodes' own talk (Spring S3.35, S3.36); null: none. */
  readonly userDestinationBroadcast: string | null;
  readonly userRegistryBroadcast: string | null;
  /** For what the application sends. */
  readonly system: RelayLink;
  /** Whether a destination belongs to the external broker. */
  covers(destination: string): boolean;
  /** Begins to connect; to be called once. Nobody waits for the connection. */
  start(events: { onAvailable(isAvailable: boolean): void }): void;
  /** At CONNECT of a session, or at its first need where connections are shared. */
  openClient(request: RelayClientRequest): RelayClient;
  /**
   * A subscription for everybody here, in auto mode; resolves once confirmed, and is kept over losses of the connection.
   * @throws BrokerError `relay-unavailable`, `relay-refused`, `relay-lost`
   */
  shareSubscription(
    headers: Iterable<readonly [string, string]>,
    events: SharedSubscriptionEvents,
  ): Promise<RelaySubscription>;
  /** A subscription of this node's own on the system connection, for as long as the relay runs. */
  subscribeSystem(destination: string, onMessage: (message: RelayedMessage) => void): void;
  /** Says goodbye: what was submitted is still processed. */
  stop(): Promise<void>;
}
