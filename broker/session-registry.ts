/** Sessions of this node, by id and by client-id. */
import { quoteInput } from '../protocol/index.js';
import { BrokerError } from './errors.js';
import type { CloseCode } from './close-reason.js';
import type { Connection, Principal } from './ports.js';

/** A session, as far as the broker steers it from outside. */
export interface RegisteredSession {
  readonly id: string;
  readonly connection: Connection;
  readonly clientId: string | undefined;
  readonly principal: Principal | null;
  /** Told to the client in an ERROR frame, then closed. */
  refuse(error: BrokerError): void;
  close(code: CloseCode): void;
  /** What the rules allowed may be otherwise now. */
  forgetAllowed(): void;
  /** More waits for its client than may. */
  onSlowConsumer(queuedBytes: number): void;
}

export class SessionRegistry<S extends RegisteredSession = RegisteredSession> {
  readonly #sessions = new Map<string, S>();
  readonly #byClientId = new Map<string, RegisteredSession>();

  get size(): number {
    return this.#sessions.size;
  }

  add(session: S): void {
    this.#sessions.set(session.id, session);
  }

  get(id: string): S | undefined {
    return this.#sessions.get(id);
  }

  /** In the order they were added; live. */
  values(): IterableIterator<S> {
    return this.#sessions.values();
  }

  remove(session: RegisteredSession): void {
    this.#sessions.delete(session.id);
    const { clientId } = session;
    if (clientId !== undefined && this.#byClientId.get(clientId) === session) this.#byClientId.delete(clientId);
  }

  /**
   * Gives a client-id to a session. The same client's older connection is ended, as it is most likely a dead one whose
   * end has not been noticed yet; another's is left alone. The same client is the same user or, for anonymous ones, the
   * same address: a name that nobody checked must not be enough to throw somebody out.
   * @throws BrokerError `client-id-in-use`
   */
  claimClientId(clientId: string, session: RegisteredSession): void {
    const holder = this.#byClientId.get(clientId);
    if (holder !== undefined && holder !== session) {
      if (!isSameClient(holder, session)) {
        throw new BrokerError('client-id-in-use', `client-id ${quoteInput(clientId, 120)} is in use by another user`);
      }
      holder.refuse(new BrokerError('client-id-displaced', 'This client-id has connected elsewhere'));
    }
    this.#byClientId.set(clientId, session);
  }
}

function isSameClient(a: RegisteredSession, b: RegisteredSession): boolean {
  const name = a.principal?.name ?? null;
  if (name !== (b.principal?.name ?? null)) return false;
  return name !== null || a.connection.remoteAddress === b.connection.remoteAddress;
}
