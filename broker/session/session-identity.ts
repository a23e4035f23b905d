/**
 * Whose session it is: shown by credentials, at CONNECT and when they are renewed, and claimed as client-id and in the
 * registry of users; and what that allows (access-control.ts).
 */
import { AccessControl } from '../access-control.js';
import { withDeadline } from '../deadline.js';
import { BrokerError } from '../errors.js';
import { after } from '../maybe-promise.js';
import type { Welcome } from '../commands/command-context.js';
import type { OperatedSession } from '../operations/operated-session.js';
import type { ConnectRequest, EntryTerms, Handshake, Principal } from '../ports.js';
import type { OwnSession } from './own-session.js';

/** What a client shows; where it comes from is known of its connection. */
export type ShownCredentials = Omit<ConnectRequest, 'sessionId' | 'transport' | 'remoteAddress' | 'handshake'>;

const ANONYMOUS: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });

export class SessionIdentity {
  /** Null when there are no rules. */
  readonly access: AccessControl | null;
  readonly #session: OperatedSession & OwnSession;
  /** Null: it is let in as everybody. */
  readonly #terms: EntryTerms | null;
  #principal: Principal | null = null;
  #clientId: string | undefined;
  /** From authentication until the application is told of the session. */
  #handshake: Handshake | null;

  /** @param terms null: as everybody */
  constructor(session: OperatedSession & OwnSession, handshake: Handshake | null, terms: EntryTerms | null) {
    const { authorizer, router, clock, options } = session.environment;
    this.access =
      authorizer === null ? null : new AccessControl(authorizer, router, clock, options.handlers.deadlineMs);
    this.#session = session;
    this.#handshake = handshake;
    this.#terms = terms;
  }

  /** Null until it has been verified. */
  get principal(): Principal | null {
    return this.#principal;
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** Who only looks: the strict path refuses whatever it sends. */
  get isObserver(): boolean {
    return this.#terms?.isObserver === true;
  }

  /** As `CommandContext.authenticate`. */
  authenticate(shown: ShownCredentials): Principal | Promise<Principal> {
    const { id: sessionId, connection } = this.#session;
    const { transport, remoteAddress } = connection;
    const handshake = this.#handshake ?? connection.takeHandshake();
    if (this.#session.state !== 'connected') this.#handshake = handshake;
    const { clock, options } = this.#session.environment;
    const authenticator = this.#terms?.authenticator ?? this.#session.environment.authenticator;
    const verdict = authenticator.authenticate({ sessionId, transport, remoteAddress, handshake, ...shown });
    // CONNECT has a deadline of its own.
    if (this.#session.state !== 'connected' || !(verdict instanceof Promise)) return verdict;
    const { deadlineMs } = options.handlers;
    const late = (): BrokerError => new BrokerError('authentication-failed', `No verdict within ${deadlineMs} ms`);
    return withDeadline(verdict, clock, deadlineMs, late);
  }

  /** The client may connect, as far as rules, an external broker and other nodes have a say; then `enter`. */
  admit({ principal, headers, clientId }: Welcome, enter: () => void): void | Promise<void> {
    this.#principal = principal;
    return after(this.authorize('connect', ''), () => {
      // Who only looks has nothing to do with an external broker, which may not even be there.
      const relayed = this.isObserver ? null : this.#session.environment.router.relayed;
      const isThere = relayed?.connect(this.#session.id, headers.get('login'), headers.get('passcode'));
      return after(isThere, () => after(this.#claimEverywhere(clientId), enter));
    });
  }

  /** On this node. @throws BrokerError `client-id-in-use` */
  claim(clientId: string | undefined): void {
    if (clientId === undefined || clientId === '') return;
    this.#session.environment.registry.claimClientId(clientId, this.#session);
    this.#clientId = clientId;
  }

  /** The request that its connection began with, once: for those who are told of the session. */
  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  /** As `CommandContext.authorize`; at CONNECT too. @throws BrokerError `access-denied` */
  authorize(action: 'connect' | 'send' | 'subscribe', destination: string): void | Promise<void> {
    const { serverTopics } = this.#session.environment.router;
    const principal = this.#principal ?? ANONYMOUS;
    if (this.isObserver) {
      if (action !== 'connect') serverTopics.checkObserver(action, destination);
      return;
    }
    const decided = action === 'subscribe' ? serverTopics.decide(destination, principal.roles) : 'rules';
    if (this.access === null || decided === null) return;
    const { transport, remoteAddress, id: sessionId } = this.#session;
    const request = { action, principal, destination, sessionId, transport, remoteAddress };
    if (decided === 'rules') return this.access.check(request);
    return this.access.check({ ...request, destination: decided.presenceOf, presenceAt: destination });
  }

  /** New credentials of the same user. @throws BrokerError `authentication-failed` */
  renew(principal: Principal): void {
    if (principal.name !== this.#principal?.name) {
      throw new BrokerError('authentication-failed', 'The new credentials are of another user');
    }
    this.#principal = principal;
  }

  /** The session is over. */
  leave(): void {
    const { registry, clientIds, users } = this.#session.environment;
    registry.remove(this.#session);
    if (this.#clientId !== undefined) clientIds?.release(this.#clientId, this.#session);
    const name = this.#principal?.name;
    if (name !== null && name !== undefined) users.remove(name, this.#session);
  }

  /** In a cluster it is the session's on all nodes before it is let in. @throws BrokerError `client-id-in-use` */
  #claimEverywhere(clientId = ''): void | Promise<void> {
    const { clientIds } = this.#session.environment;
    if (clientIds === null || clientId === '') return;
    return clientIds.claim(clientId, this.#session).then(() => {
      if (this.#session.state === 'authenticating') this.#clientId = clientId;
      else clientIds.release(clientId, this.#session);
    });
  }
}
