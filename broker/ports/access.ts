/** Who a client is and what it may do: authentication and authorization. */
import type { Handshake, TransportName } from './connections.js';

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
