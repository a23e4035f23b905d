/**
 * Every interface through which the broker meets the outside, on one page.
 * The broker takes implementations by constructor; adapters/stomp-server.ts chooses them.
 */
import type { CloseReason } from './close-reason.js';
import type { BrokerError } from './errors.js';

/** How octets of STOMP frames are wrapped on one kind of connection. Stateless; one object serves all connections of its kind. */
export interface Framing {
  /** The most octets that `open` and `close` together add around one frame. */
  readonly maxOverheadBytes: number;
  /**
   * False when a frame must reach `Connection.write` in one piece.
   * True lets the broker hand over a large body uncopied, in a call of its own between `cork` and `uncork`.
   */
  readonly splittable: boolean;
  /**
   * How the octets of a frame are rewritten for this kind of connection (SockJS: the contents of a JSON string);
   * null when they leave as they are. Must satisfy encode(a + b) = encode(a) + encode(b) when a ends on a character boundary.
   * Input is valid UTF-8; the result is octets the caller may keep.
   */
  readonly encode: ((octets: Uint8Array) => Buffer) | null;
  /**
   * Writes what stands in front of a frame of `lengthBytes` (already encoded) octets; returns the position after it.
   * @param text false when the frame is not valid UTF-8 and so cannot be a WebSocket text message
   */
  open(target: Buffer, at: number, lengthBytes: number, text: boolean): number;
  /** Writes what stands behind a frame; returns the position after it. */
  close(target: Buffer, at: number): number;
}

/** What a client said before its first STOMP frame: the HTTP request of a WebSocket or SockJS connection. */
export interface Handshake {
  /** Path and query as received, e.g. `/ws?token=x`. */
  readonly url: string;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** True when the request came through a proxy whose `X-Forwarded-…` headers are to be believed; missing is false. */
  readonly isProxyTrusted?: boolean | undefined;
}

export type TransportName =
  | 'tcp'
  | 'tls'
  | 'websocket'
  | 'sockjs-websocket'
  | 'sockjs-xhr-streaming'
  | 'sockjs-xhr-polling'
  | 'sockjs-eventsource'
  | 'sockjs-htmlfile'
  | 'sockjs-jsonp'
  | 'socket.io'
  | 'memory';

/** A byte pipe to one client; knows no STOMP. Created by a transport, owned by one session. */
export interface Connection {
  readonly transport: TransportName;
  /** IP address of the peer as the socket tells it; empty when unknown. */
  readonly remoteAddress: string;
  readonly framing: Framing;
  /** Octets taken by `write` and not yet by the operating system. Read before every write: must cost nothing. */
  readonly bufferedBytes: number;
  /**
   * False when memory given to `write` is not looked at after the call, although octets of it may be buffered: they were
   * copied. Missing is true. Asked only where `bufferedBytes` is above 0.
   */
  readonly holdsMemory?: boolean | undefined;
  /**
   * True: the other side is a gateway of this process, which goes on after an ERROR that answers one frame (DESIGN D12);
   * and asks `admit` for each message of its client; otherwise ERROR ends the connection.
   */
  readonly keepsAfterError?: boolean | undefined;
  /** The HTTP request that opened this connection, once: the connection forgets it. Null on TCP and at the second call. */
  takeHandshake(): Handshake | null;
  /**
   * Takes framed octets; never throws, never waits, keeps order. With `bufferedBytes` 0 or `holdsMemory` false after the
   * call (after `uncork` when corked) the caller may reuse the memory; otherwise it belongs to the connection.
   * The same object always holds the same octets: who fills memory anew hands it over as another view.
   */
  write(octets: Uint8Array): void;
  /** Between the two, writes are gathered and leave as one. */
  cork(): void;
  uncork(): void;
  /** Back-pressure towards the client: stop, then go on, reading. A few chunks already read may still arrive. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then ends in the transport's orderly way; input is discarded from now on. */
  close(reason: CloseReason): void;
  /** Asks the client for a sign of life; calls back when it comes. Missing where the transport has no such thing. */
  readonly probe?: ((onAnswer: () => void) => void) | undefined;
  /** Drops unsent octets and ends now. */
  destroy(reason: CloseReason): void;
}

/** The broker's end of a connection. */
export interface ConnectionListener {
  /**
   * Octets from the client, in order, cut anywhere. The listener may keep a reference; the memory is not written again.
   * @param endsMessage true when the chunk ends a WebSocket text message, the one place where a missing NUL may be forgiven
   */
  onBytes(chunk: Buffer, endsMessage: boolean): void;
  /** `bufferedBytes` fell to 0 after having been above it. */
  onDrain(): void;
  /** The connection is gone: exactly once, whoever ended it. `cause` when it was a fault of the network. */
  onClose(cause?: Error): void;
  /**
   * Asked by a gateway for each message of its client, whatever that becomes: it counts towards the quotas, and the frames
   * that it becomes do not. With `quotas.onExceeded: pause` nothing is refused, and the frames count instead.
   * @returns how long it would have to wait, in ms: it is refused; 0: it passes
   */
  admit?(bytes: number): number;
}

/** Why a client is not let in now. */
export interface ConnectionRefusal {
  /** One line, for the client. */
  readonly message: string;
  readonly retryAfterMs: number;
}

/** Called by a transport for each new connection. */
export interface AcceptConnection {
  /** @returns null: refused, the transport closes it at once */
  (connection: Connection): ConnectionListener | null;
  /**
   * Asked about an HTTP request before it becomes a connection, where it can still be answered; missing: nobody is refused
   * there. @returns null: it may go on
   */
  readonly refusal?: ((remoteAddress: string, handshake: Handshake) => ConnectionRefusal | null) | undefined;
}

/** One listening address, as it really is (port 0 resolved). */
export interface ListenAddress {
  readonly transport: 'tcp' | 'tls' | 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Paths of the STOMP endpoints, on http and https. */
  readonly endpoints: readonly string[];
  /** The admin API alone is there; missing is false. */
  readonly isAdmin?: boolean | undefined;
}

/** A way in for clients. */
export interface Transport {
  readonly name: string;
  /** Resolves once connections can be made; rejects with the system's error (EADDRINUSE, EACCES …). */
  listen(accept: AcceptConnection): Promise<ListenAddress>;
  /** Stops accepting. Connections that are open live on until the broker closes them. */
  stopAccepting(): Promise<void>;
  /** Ends what is left and frees the port. */
  close(): Promise<void>;
}

/** What a client shows at CONNECT. */
export interface ConnectRequest {
  readonly sessionId: string;
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly login: string | undefined;
  readonly passcode: string | undefined;
  /** All headers of the CONNECT frame, the first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly handshake: Handshake | null;
}

/** Who was authenticated. Null name: anonymous. */
export interface Principal {
  readonly name: string | null;
  readonly roles: readonly string[];
  /** When what was shown stops being good, in ms of the time of day (`Date.now`); undefined is never. */
  readonly expiresAtMs?: number | undefined;
}

export interface Authenticator {
  /**
   * Decides who the client is. Returning without a promise keeps CONNECT on the turn it arrived in.
   * @throws BrokerError when refused: `authentication-failed`, `token-expired`, `token-invalid`, `keys-unreachable`,
   * `csrf-failed`; anything else is reported as `internal`
   */
  authenticate(request: ConnectRequest): Principal | Promise<Principal>;
}

/** How the clients of one way in are let in, where that is not as everywhere else. */
export interface EntryTerms {
  /** Asked at CONNECT, instead of the one that the broker was given. */
  readonly authenticator: Authenticator;
  /**
   * True: may subscribe to what the broker tells of itself (`/topic/$broker/…`) and do nothing else, whatever roles and
   * rules say.
   */
  readonly isObserver: boolean;
}

/** One thing that a session wants to do. */
export interface AuthorizationRequest {
  readonly action: 'connect' | 'send' | 'subscribe';
  readonly principal: Principal;
  /** As the client wrote it, or what that leads to; empty for `connect`. */
  readonly destination: string;
  /** What the client wrote, when `destination` is what that leads to. */
  readonly resolvedFrom?: string | undefined;
  /**
   * What the client wrote, when it wants to know who is subscribed to `destination`: whoever may subscribe there may, unless
   * the authorizer thinks otherwise.
   */
  readonly presenceAt?: string | undefined;
  readonly sessionId: string;
  readonly transport: TransportName;
  readonly remoteAddress: string;
}

export interface Authorizer {
  /**
   * Whether it may. Asked once for each session, action and destination, then remembered until `onChange` is called.
   * A user destination is asked twice: as written, and as what it leads to without the user.
   * Returning without a promise keeps the frame on the turn it arrived in. Throwing or rejecting refuses as `internal`.
   */
  isAllowed(request: AuthorizationRequest): boolean | Promise<boolean>;
  /** Called once; the authorizer calls back whenever answers given before may be wrong now. */
  onChange?(forget: () => void): void;
}

/** A message as a store keeps it. */
export interface StoredMessage {
  /** Place in its stream: a whole number, 1 or more, below 2^53. */
  readonly sequence: number;
  /** 0 to 9. Streams are read one priority at a time. */
  readonly priority: number;
  /** The message, in a form of the broker's own (broker/storage/message-codec.ts); not changed by either side. */
  readonly octets: Uint8Array;
  /** What it counts in `StoredLane.bytes`. */
  readonly weightBytes: number;
  /** Times of day, in ms since the epoch; 0 is never, at once. */
  readonly publishedEpochMs: number;
  readonly expiresEpochMs: number;
  readonly notBeforeEpochMs: number;
  /** How often it was delivered before, as far as that was told by `update`. */
  readonly deliveryCount: number;
}

/**
 * One change of what is stored. A stream is a sequence of messages under a name: a queue, a history, an inbox. A record is
 * a text under a key. Names and keys are any text; a stream is there once something was appended to it.
 */
export type StoreOperation =
  /** One with the same stream, priority and sequence is replaced. */
  | { readonly kind: 'append'; readonly stream: string; readonly message: StoredMessage }
  /** Removing, updating and trimming what is not there is no error. */
  | { readonly kind: 'remove'; readonly stream: string; readonly priority: number; readonly sequence: number }
  | {
      readonly kind: 'update';
      readonly stream: string;
      readonly priority: number;
      readonly sequence: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
    }
  /**
   * Everything up to `sequence` may have been delivered. A mark only moves forward; those of a stream that is empty when
   * the store opens may be forgotten.
   */
  | { readonly kind: 'mark'; readonly stream: string; readonly priority: number; readonly sequence: number }
  /** Removes everything of one priority up to `sequence`. */
  | { readonly kind: 'trim'; readonly stream: string; readonly priority: number; readonly sequence: number }
  /** Removes a stream with all messages and marks. */
  | { readonly kind: 'drop'; readonly stream: string }
  /** Sets a record. It may be forgotten from `expiresEpochMs` on; 0 is never. */
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly expiresEpochMs: number }
  | { readonly kind: 'delete'; readonly key: string };

/** One priority of one stream, as it is when the store opens. */
export interface StoredLane {
  readonly stream: string;
  readonly priority: number;
  readonly messages: number;
  /** Sum of `weightBytes`. */
  readonly bytes: number;
  /** The greatest sequence that was marked as delivered; 0 when none was. */
  readonly markedSequence: number;
}

export interface StoredRecord {
  readonly key: string;
  readonly value: string;
  readonly expiresEpochMs: number;
}

export interface StoreContents {
  /** Those with messages. In no order. */
  readonly lanes: readonly StoredLane[];
  /** Those that have not expired. In no order. */
  readonly records: readonly StoredRecord[];
}

/**
 * Keeps what has to outlive a session or the process (DESIGN D5). Calls take effect in the order they are made, whether
 * or not earlier ones were awaited.
 */
export interface Store {
  /** What logs and health call it, e.g. `memory`, `sqlite`. */
  readonly name: string;
  /** False: what it holds is gone with the process, so that what is in memory anyway need not be in it. Default: true. */
  readonly isLasting?: boolean | undefined;
  /**
   * To be called once, first.
   * @throws Error of one line, naming the file, when what is there cannot be used; it is then left as it is
   */
  open(): Promise<StoreContents>;
  /**
   * All of it or nothing. Once resolved it is as durable as the store is: it survives the death of the process.
   * @throws BrokerError `store-full` (no room, by limit or on the disk), `store-failed`; the store stays usable, and later
   * calls succeed once the cause is gone
   */
  commit(operations: readonly StoreOperation[]): Promise<void>;
  /**
   * Messages of one priority behind `afterSequence`, by sequence; as many as come first of `maxMessages` and `maxBytes` (by
   * `weightBytes`), but at least one when there is one.
   * @throws BrokerError `store-failed`
   */
  read(
    stream: string,
    priority: number,
    afterSequence: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]>;
  /** Ends it, after everything asked for before. */
  close(): Promise<void>;
}

/** What a queue that all nodes share holds, and what becomes of the publisher when it cannot hold more (QueueOptions). */
export interface QueueBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly onFull: 'refuse' | 'drop-oldest' | 'dead-letter';
}

/**
 * One change of a queue that all nodes of a cluster share. Nobody owns such a queue: each node claims what its consumers can
 * take. What a node has claimed is settled or given back by its place; the store remembers whose it is.
 */
export type QueueOperation =
  /**
   * Refused as `queue-full`, or dropped when `isOptional`. The store gives it its place: behind all of its priority.
   * @returns AppendResult
   */
  | {
      readonly kind: 'queue-append';
      readonly stream: string;
      readonly message: Omit<StoredMessage, 'sequence'>;
      readonly bounds: QueueBounds;
      readonly isOptional: boolean;
      /** What a refusal calls it. */
      readonly title: string;
    }
  /** As many as come first, highest priority and oldest first. @returns ClaimResult */
  | {
      readonly kind: 'queue-claim';
      readonly stream: string;
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** When there are fewer: this node is to be told when there are more. */
      readonly waits: boolean;
      /** While this node says so no other gets anything, save those that said it before. */
      readonly isExclusive: boolean;
      /** Places of what this node has; whatever else it claimed, without hearing of it, goes back. Null: it heard of all. */
      readonly known: readonly number[] | null;
    }
  /** These very messages, those of them that still wait. @returns ClaimResult */
  | { readonly kind: 'queue-take'; readonly stream: string; readonly places: readonly number[] }
  /** What waits, for a look. @returns ScanResult */
  | {
      readonly kind: 'queue-scan';
      readonly stream: string;
      /** By priority: only what stands behind this place. */
      readonly after: readonly number[];
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** When the end is reached: this node is to be told of everything that is new. */
      readonly waits: boolean;
    }
  /**
   * Consumed. Of what this node has not claimed, or has not any more, nothing changes; with `isRequired` its unit is refused
   * as `message-gone` then. The same with `queue-return`.
   */
  | { readonly kind: 'queue-settle'; readonly stream: string; readonly place: number; readonly isRequired?: boolean }
  /** Not consumed: back in its place, now or when its time comes. */
  | {
      readonly kind: 'queue-return';
      readonly stream: string;
      readonly place: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
      readonly isRequired?: boolean;
    }
  /** Claims what waits and has expired. @returns ClaimResult */
  | { readonly kind: 'queue-expire'; readonly stream: string; readonly maxMessages: number }
  /** This node waits for nothing there any more. */
  | { readonly kind: 'queue-leave'; readonly stream: string }
  /** Removes the queue with all it holds. */
  | { readonly kind: 'queue-drop'; readonly stream: string }
  /**
   * A node was given up: what it had claimed waits again, delivered once more. Of one that is there nothing changes. Null:
   * of whatever node that is not there.
   */
  | { readonly kind: 'queue-reclaim'; readonly incarnation: string | null }
  /** @returns readonly string[], streams in which something waits that has expired */
  | { readonly kind: 'queue-overdue' };

/** What operators ask of a queue that all nodes share: of what waits there, for its turn or for its time, claimed by nobody. */
export type QueueInspection =
  /** @returns QueueSizes */
  | { readonly kind: 'queue-sizes'; readonly stream: string }
  /** These very messages, those of them that wait, for a look. @returns readonly SharedMessage[] */
  | { readonly kind: 'queue-read'; readonly stream: string; readonly places: readonly number[] }
  /**
   * Takes one out for good. With `isRequired` its unit is refused as `message-gone` when it does not wait any more.
   * @returns whether it waited
   */
  | { readonly kind: 'queue-withdraw'; readonly stream: string; readonly place: number; readonly isRequired: boolean }
  /** Takes out everything that waits, at once. @returns how many messages, as a number */
  | { readonly kind: 'queue-purge'; readonly stream: string };

/** How much a queue holds that all nodes share. */
export interface QueueSizes {
  /** Messages that wait, for a consumer or for their time. */
  readonly depth: number;
  /** Of these: sum of `weightBytes`. */
  readonly bytes: number;
  /** Messages that wait for their time. */
  readonly delayed: number;
  /** Claimed by any node: delivered and not settled, or about to be delivered. */
  readonly claimed: number;
}

/** Keys of messages that were sent before (`message-key`), known to all nodes. A key is taken, then seen or free again. */
export type KeyOperation =
  /**
   * All of them or, when another has taken one of them, none; what nobody says more of is free again after `leaseMs`.
   * @returns KeysResult
   */
  | { readonly kind: 'keys-take'; readonly keys: readonly string[]; readonly leaseMs: number }
  /** Its message has taken effect. */
  | { readonly kind: 'key-seen'; readonly key: string; readonly windowMs: number }
  /** It has not: this node gives up what it took, or what was seen when it is not sure of that. */
  | { readonly kind: 'key-free'; readonly key: string; readonly wasSeen: boolean };

export interface KeysResult {
  /** False: one of them is another's, and none was taken. */
  readonly areTaken: boolean;
  /** Of those asked for, the ones whose message was seen. */
  readonly seen: readonly string[];
}

/**
 * Inboxes of users, kept once for all nodes. An interest says where a user has subscriptions (broker/inbox/interest.ts); the
 * store knows those of every node, so that it can decide at one moment whether somebody is there or a message is kept. What
 * a node has claimed is settled or given back by its place, as in queues.
 */
export type InboxOperation =
  /**
   * To the nodes where the user has a subscription that matches, as UserMessage; when none hears it, it is kept.
   * @returns InboxAppendResult
   */
  | {
      readonly kind: 'inbox-append';
      readonly user: string;
      readonly rest: string;
      readonly message: Omit<StoredMessage, 'sequence' | 'priority'>;
      readonly bounds: InboxStoreBounds;
      /** It is kept for a user of whom something is kept already, or who is known, and for nobody else. */
      readonly isForKnown: boolean;
      /** `UserMessage.passed` of one that nobody took: kept when no other node took it either. Null: it is new. */
      readonly missed: string | null;
    }
  /** Takes back interests of this node, some at a time. @returns how many are left, as a number */
  | { readonly kind: 'inbox-forget' }
  /**
   * What has changed of this node's interests.
   * @returns readonly string[], those of the users of `joined` for whom something is kept
   */
  | {
      readonly kind: 'inbox-interest';
      readonly joined: readonly InboxInterest[];
      readonly left: readonly InboxInterest[];
    }
  /** What waits for a user and is covered by any of these interests, oldest first. @returns InboxClaimResult */
  | {
      readonly kind: 'inbox-claim';
      readonly user: string;
      readonly interests: readonly string[];
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** As of `queue-claim`. */
      readonly known: readonly number[] | null;
    }
  /** As `inbox-claim`, behind a place, for a look: nothing is claimed. @returns InboxClaimResult */
  | {
      readonly kind: 'inbox-scan';
      readonly user: string;
      readonly interests: readonly string[];
      readonly after: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
    }
  /** These very messages, those of them that still wait. @returns InboxClaimResult */
  | { readonly kind: 'inbox-take'; readonly user: string; readonly places: readonly number[] }
  /** As `queue-settle` and `queue-return`. */
  | { readonly kind: 'inbox-settle'; readonly user: string; readonly place: number }
  | {
      readonly kind: 'inbox-return';
      readonly user: string;
      readonly place: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
    }
  /** As `queue-reclaim`; the interests of who is gone end too, some at a time. @returns how many are left, as a number */
  | { readonly kind: 'inbox-reclaim'; readonly incarnation: string | null }
  /** Drops what has expired. @returns InboxSizes */
  | { readonly kind: 'inbox-sweep' }
  /** A user has connected. Above `maxUsers` those that are known for the shortest time to come are forgotten. */
  | { readonly kind: 'inbox-known'; readonly user: string; readonly untilEpochMs: number; readonly maxUsers: number };

export interface InboxInterest {
  readonly user: string;
  readonly interest: string;
}

/** What all nodes together keep. Octets as rules count them. */
export interface InboxStoreBounds {
  /** The rule that the first two are of: what one user may have under it. */
  readonly rule: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxUsers: number;
  /** Of all users. */
  readonly maxTotalBytes: number;
}

export interface InboxAppendResult {
  /** `there`: passed on to nodes where the user is. `refused`: not kept, as there is no room or the user is not known. */
  readonly outcome: 'there' | 'kept' | 'refused';
  /** Older ones that were dropped to make room. */
  readonly overflow: number;
}

/** A message of an inbox that nodes share. */
export interface KeptMessage {
  /** As of SharedMessage, and never the same as one of a queue. */
  readonly place: number;
  readonly rest: string;
  readonly octets: Buffer;
  readonly expiresEpochMs: number;
  readonly deliveryCount: number;
}

export interface InboxClaimResult {
  /** As of ClaimResult. */
  readonly isMember: boolean;
  /** Oldest first; those that have expired among them. */
  readonly messages: readonly KeptMessage[];
  readonly nextDueEpochMs: number;
  /** More waits behind these. */
  readonly isMore: boolean;
}

export interface InboxSizes {
  /** Dropped now. */
  readonly expired: number;
  readonly users: number;
  readonly messages: number;
  readonly bytes: number;
}

/** A message for a user who is on this node, as another node published it. */
export interface UserMessage {
  readonly user: string;
  readonly rest: string;
  /** Under which it was given to nodes; for `InboxOperation`, when nobody is there any more. */
  readonly passed: string;
  /** May be a view of what they arrived in. */
  readonly octets: Buffer;
}

/** Which session has a `client-id`, of all nodes. */
export type ClientOperation =
  /** Takes it, unless another client has it; the same client's other session is told to its node. @returns ClientClaimResult */
  | {
      readonly kind: 'client-claim';
      readonly clientId: string;
      readonly sessionId: string;
      /** Who the client is: the same client has the same. */
      readonly owner: string;
      readonly sinceEpochMs: number;
      /** It had it before: of the same client the later session stays, else this one. */
      readonly isAgain: boolean;
    }
  /** Of what another session has, nothing changes. */
  | { readonly kind: 'client-release'; readonly clientId: string; readonly sessionId: string }
  /** As `queue-reclaim`. */
  | { readonly kind: 'client-reclaim'; readonly incarnation: string | null };

export interface ClientClaimResult {
  /** `displaced`: a later session of the same client has it. */
  readonly outcome: 'claimed' | 'in-use' | 'displaced';
  /** Who had it, on a node that can be told; null: nobody. */
  readonly formerSessionId: string | null;
}

/** Tells all nodes, this one included, of something under a name. */
export interface AnnounceOperation {
  readonly kind: 'announce';
  readonly name: string;
}

/** What can be asked of a store that nodes share. */
export type SharedOperation =
  | StoreOperation
  | QueueOperation
  | QueueInspection
  | InboxOperation
  | ClientOperation
  | KeyOperation
  | AnnounceOperation
  | HistoryAppend;

/** A message as a queue that nodes share holds it. */
export interface SharedMessage {
  /** Orders the queue: priority first, then age. Stays the same; greater than any number that a node counts by itself. */
  readonly place: number;
  readonly priority: number;
  /** Grows with each message, whatever its queue and priority. */
  readonly age: number;
  readonly octets: Buffer;
  readonly weightBytes: number;
  readonly expiresEpochMs: number;
  /** How often it was, or may have been, delivered before. */
  readonly deliveryCount: number;
}

export interface AppendResult {
  /** False: there was no room, and it was optional. */
  readonly isKept: boolean;
  /** Oldest ones that were dropped to make room. */
  readonly dropped: number;
  /** Oldest ones that made room and are this node's now, to be given up. */
  readonly displaced: readonly SharedMessage[];
}

export interface ClaimResult {
  /** False: this node was given up by the others, and gets nothing until it is one of them again. */
  readonly isMember: boolean;
  /** Highest priority and oldest first; those that have expired among them. */
  readonly messages: readonly SharedMessage[];
  /** When the next message whose time has not come is due; 0: there is none. */
  readonly nextDueEpochMs: number;
  /** Of a `queue-claim`: more waits that this node may have. Else it is told when there is something, if it asked for that. */
  readonly isMore: boolean;
}

export interface ScanResult {
  readonly messages: readonly SharedMessage[];
  /** Changes whenever something came back to an old place: what was looked at before is not all. */
  readonly returns: number;
  /** The greatest age so far. */
  readonly newest: number;
  readonly nextDueEpochMs: number;
}

/** What became of one unit: a result for each operation, by place, or why nothing of it was done. */
export type UnitOutcome =
  | { readonly isDone: true; readonly results: readonly unknown[] }
  | { readonly isDone: false; readonly error: BrokerError };

export interface SharedStoreEvents {
  /** Something waits in a queue from which this node wanted more than there was. May come without reason. */
  onWake(stream: string): void;
  /** Something waits for a user who has an interest here. May come without reason. */
  onInbox(user: string): void;
  /** A message for a user who has, or had, an interest here. */
  onUserMessage(message: UserMessage): void;
  /** Another session of its client has the client-id of this one. */
  onDisplaced(sessionId: string): void;
  /** Some node announced this. */
  onAnnounced(name: string): void;
  /** It can be reached again: what was told meanwhile was missed. */
  onReachable(): void;
}

/** A store that all nodes of a cluster share (DESIGN D11). */
export interface SharedStore extends Store {
  readonly isShared: true;
  /** To be called once, before `open`. */
  listen(events: SharedStoreEvents): void;
  /**
   * Units take effect one after the other, each all or nothing by itself.
   * @returns what became of each. Of those with the error `store-failed` it is not known whether they took effect when the
   * connection was lost meanwhile
   */
  commitUnits(units: readonly (readonly SharedOperation[])[]): Promise<readonly UnitOutcome[]>;
  /** Those whose key begins so, and that have not expired. @throws BrokerError `store-failed` */
  records(prefix: string): Promise<readonly StoredRecord[]>;
  /** Null: there is none of this key. @throws BrokerError `store-failed` */
  record(key: string): Promise<StoredRecord | null>;
}

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

/** What a relay between nodes tells its node. */
export interface NodeRelayEvents {
  /**
   * A message that another node published. @param octets what it gave to `publish`; may be a view of what they arrived in
   */
  onMessage(destination: string, octets: Buffer): void;
  /** Whether other nodes can be reached; told when it changes, and once at the start. */
  onAvailable(isAvailable: boolean): void;
}

/** What a relay between nodes has counted since start; all of them messages but `gaps`. */
export interface NodeRelayCounts {
  /** Accepted for other nodes, also where none of them wants it but that was not known. */
  readonly published: number;
  readonly received: number;
  /** Not handed over, or not surely: other nodes could not be reached, or too much was on its way. */
  readonly dropped: number;
  /** Times that the way in was lost while something was subscribed: an unknown number of messages was missed. */
  readonly gaps: number;
}

/**
 * Brings what is published on topics to the other nodes of a cluster (DESIGN D11): at most once, in order for each node and
 * destination, never back to where it came from, and only to nodes that have joined. Null in place of one: a single node.
 */
export interface NodeRelay {
  /** What logs and health call it, e.g. `redis`. */
  readonly name: string;
  /** Null: other nodes can be reached. */
  readonly problem: RelayProblem | null;
  readonly counts: NodeRelayCounts;
  /** Whether what is published now can be handed over; else it is dropped and counted. */
  readonly isAccepting: boolean;
  /** So much is on its way that publishers should not be read from: half of what `isAccepting` bounds. */
  readonly isBehind: boolean;
  /** Resolves once it is not behind any more, if only as what was on its way is lost. Never rejects. */
  caughtUp(): Promise<void>;
  /** Begins to connect; resolves after the first attempt, whether it succeeded or not: others follow by themselves. */
  start(events: NodeRelayEvents): Promise<void>;
  /**
   * Whether another node may want what is published there now; false only where it is sure that none does, and that one whose
   * `join` comes later is waited for. Asked for each message.
   * @param atMs when the message was here, by the clock; default: now, which costs a look at it
   */
  isWanted(destination: string, atMs?: number): boolean;
  /** Takes a message on for the other nodes. @param octets not written again by the caller; kept for this turn at most */
  publish(destination: string, octets: Buffer): void;
  /**
   * What was published so far is with whatever brings it to the other nodes.
   * @returns a promise that rejects with BrokerError `relay-lost` when that is not sure
   */
  accepted(): Promise<void>;
  /**
   * Wants what other nodes publish there. Each call is one claim, to be given up by `leave` (also after a refusal).
   * @param destination as in SUBSCRIBE, patterns included; more may be delivered than was asked for
   * @returns undefined when it is in force already, or nobody can be reached: then it comes into force with the next
   * connection. Else a promise, which rejects with BrokerError `relay-refused`
   */
  join(destination: string): Promise<void> | undefined;
  leave(destination: string): void;
  /** Says goodbye: what was published is still handed over. */
  stop(): Promise<void>;
}

/** What is told of the nodes of a cluster, in the order it was noticed. Told twice, it means the same again. */
export interface MembershipListener {
  /**
   * This node is a member now, under that name: at its start, again after others gave it up (under another name), and
   * after what keeps the members has lost what it knew (under the same). What it holds by its lease is to be put there.
   */
  onJoined?(incarnation: string): void;
  /** Others gave this node up, as its lease was over: what it held by it is not its own any more. `onJoined` follows. */
  onGivenUp?(former: string): void;
  /**
   * While this node was given up another one took its `nodeId`: it can be no member until that one leaves, which `onJoined`
   * tells. It is for its clients to go to another node.
   */
  onReplaced?(): void;
  /** Another node is a member. */
  onNodeJoined?(incarnation: string): void;
  /** Another node is none any more: it left, or its lease was over. Told on every node that knew it. */
  onNodeGone?(incarnation: string): void;
}

/** Which nodes a cluster has, and under which name this one is known: each holds a lease that it renews. */
export interface ClusterMembers {
  /** Of this run: `nodeId/` and letters and digits. Another one once the node was given up. */
  readonly incarnation: string;
  readonly nodeId: string;
  /** Whether this node is a member, as far as it knows. */
  readonly isMember: boolean;
  /** Incarnations of all nodes as they were known last, this one among them. */
  readonly members: readonly string[];
  /** Null: this node is a member, and its lease can be renewed. */
  readonly problem: RelayProblem | null;
  /**
   * Joins; resolves when it has, or when the members cannot be asked for now: then it joins as soon as they can be. Waits for
   * the lease of a former run with the same `nodeId`, at most as long as a lease lasts.
   * @throws BrokerError `node-id-in-use` when another node with the same `nodeId` is alive
   */
  start(): Promise<void>;
  /**
   * To be asked before anything is done on what this node knows of the others: whether it stood still beyond its lease.
   * @returns undefined when it did not, which costs a look at the clock. Else a promise that never rejects: resolved once the
   * lease is renewed, the node is a member under another name, or it is clear that neither can be for now
   */
  caughtUp(): Promise<void> | undefined;
  /** Asks for the members now. Resolves with them, or with those known last when that fails. */
  refresh(): Promise<readonly string[]>;
  /** Until the returned function is called. */
  listen(listener: MembershipListener): () => void;
  /** Leaves. */
  stop(): Promise<void>;
}

/** How much one history keeps, as HistoryOptions say it. */
export interface HistoryBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/**
 * Gives a message the next place in a history that all nodes share, keeps it there, and passes it to the nodes that joined.
 * @returns HistoryPlace
 */
export interface HistoryAppend {
  readonly kind: 'history-append';
  readonly destination: string;
  /** Histories that are joined together are of one group. */
  readonly group: string;
  /** Without its place, in the broker's own form (broker/storage/message-codec.ts). */
  readonly message: Pick<StoredMessage, 'octets' | 'weightBytes'>;
  readonly bounds: HistoryBounds;
  /** Octets that all histories together may take: above, those published to the longest ago are forgotten. */
  readonly maxAllBytes: number;
}

/** Where a message stands. */
export interface HistoryPlace {
  readonly epoch: string;
  readonly offset: number;
  /** Grows with every message of every history. */
  readonly number: number;
  /** Number of the message before it in the same history; 0: there was none. */
  readonly previous: number;
}

/** Messages of one history, one behind the other, recorded by one node at a time. */
export interface RecordedMessages {
  readonly destination: string;
  /** This node has recorded them: it gets, or has got, their places as the result of HistoryAppend. */
  readonly isOwn: boolean;
  /** Of the first. */
  readonly place: HistoryPlace;
  readonly messages: readonly {
    readonly number: number;
    /** As in HistoryAppend. May be a view of what it arrived in. */
    readonly octets: Buffer;
  }[];
}

export interface HistoryPageRequest {
  readonly destination: string;
  /** Messages behind that place; `start`: all that are kept; `end`: none, only where the end is. */
  readonly after: { readonly epoch: string; readonly offset: number } | 'start' | 'end';
  /** Up to that offset; undefined: to the end. */
  readonly upTo?: number | undefined;
  readonly bounds: HistoryBounds;
  readonly maxPageMessages: number;
  readonly maxPageBytes: number;
}

export interface HistoryPage {
  readonly epoch: string;
  /** Epochs that this one goes on from, with their last offsets. */
  readonly former: readonly { readonly epoch: string; readonly end: number }[];
  /** The last offset that was given; 0 before the first. */
  readonly end: number;
  /** Of the message there, in the order of all. */
  readonly number: number;
  /** The greatest offset that is not kept any more; 0 while everything is. */
  readonly trimmedTo: number;
  /** How long ago that message was published. */
  readonly trimmedAgeMs: number;
  /** The last offset that is known to be the same as in `after`: messages behind it follow. */
  readonly after: number;
  /** False: there is no such place in this history; what was behind `after` was lost, or it has begun anew. */
  readonly isContinued: boolean;
  /** As many as fit, by offset. */
  readonly messages: readonly {
    readonly offset: number;
    readonly number: number;
    readonly ageMs: number;
    readonly octets: Buffer;
  }[];
}

/** How far all histories together have come. */
export interface HistoriesMark {
  /** Another whenever what keeps the histories has been started again or replaced, and may have lost its end. */
  readonly generation: string;
  /** Of the last message of any history. */
  readonly number: number;
}

export interface HistoryChanges {
  readonly mark: HistoriesMark;
  /** Histories with messages behind the mark that was asked about, by the number of their last. */
  readonly changed: readonly { readonly destination: string; readonly number: number }[];
}

export interface HistoryInterest {
  readonly kind: 'history' | 'group';
  /** The destination, or the group of HistoryAppend. */
  readonly name: string;
}

export interface NodeHistoriesEvents {
  /** What was recorded by any node, this one included, and joined here. At most once or twice; now and then not at all. */
  onRecorded(recorded: RecordedMessages): void;
  /** After a loss: what was recorded meanwhile was not told, and can be asked for. */
  onReachable(): void;
}

/**
 * Histories that the nodes of a cluster share. They are written by `HistoryAppend`; here they are read. Whatever was
 * recorded before a question was asked is in its answer. All reject with BrokerError `relay-unavailable`, `relay-lost`.
 */
export interface NodeHistories {
  /** Begins to connect; resolves after the first attempt, whether it succeeded or not. */
  start(events: NodeHistoriesEvents): Promise<void>;
  /**
   * Wants what is recorded in one history, or in all of a group. Each call is one claim, to be given up by `leave`.
   * @returns as `NodeRelay.join`
   */
  join(interest: HistoryInterest): Promise<void> | undefined;
  leave(interest: HistoryInterest): void;
  read(request: HistoryPageRequest): Promise<HistoryPage>;
  /** @param since null: where the histories are now, and none that changed; number 0: all there are */
  changes(since: HistoriesMark | null): Promise<HistoryChanges>;
  stop(): Promise<void>;
}

/** A frame on its way through an `/app` handler. */
export interface TracedHandling {
  readonly destination: string;
  /** As the handler was registered, behind the prefix. */
  readonly pattern: string;
  readonly sessionId: string;
  readonly headers: Iterable<readonly [name: string, value: string]>;
}

/** A message that enters the broker. */
export interface TracedSending {
  readonly destination: string;
  /** With few values, where the destination has many: `/user/{user}/queue/orders`. */
  readonly template: string | undefined;
  /** False: the application's own, or a handler's reply. */
  readonly isFromClient: boolean;
  readonly headers: Iterable<readonly [name: string, value: string]>;
}

/** Work that is being followed. */
export interface TraceSpan {
  /** What a message of this work carries: `traceparent`, and `tracestate` if there is any. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Runs `work` so that whatever it begins, now or later, belongs to it. */
  run<T>(work: () => T): T;
  /** It has failed; it is to be ended nevertheless. */
  fail(error: unknown): void;
  end(): void;
}

/** Follows messages through the broker, for whoever records that. Throws nothing of its own. */
export interface Tracing {
  /** To be ended when the handler's work and its replies are done. */
  handling(handling: TracedHandling): TraceSpan;
  /** @param work takes what the message is to carry instead of what it carries; empty: as it is */
  sending<T>(sending: TracedSending, work: (trace: readonly (readonly [name: string, value: string])[]) => T): T;
}

/** Time, so that tests can own it. */
export interface Clock {
  /** Milliseconds of the time of day, for what is said in absolute terms: when a token expires. */
  epochMs(): number;
  /** Milliseconds that only ever grow; not the time of day. */
  nowMs(): number;
  /** Runs `task` every `intervalMs` until the returned function is called. Does not keep the process alive. */
  every(intervalMs: number, task: () => void): () => void;
  /** Runs `task` once, after what the current turn of the event loop still has to read. */
  soon(task: () => void): void;
}

/** The part of pino's interface that the broker uses. */
export interface Logger {
  readonly level: string;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
