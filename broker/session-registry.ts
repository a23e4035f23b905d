/** Sessions of this node, by id and by client-id. */
import { quoteInput } from '../protocol/index.js';
import { BrokerError } from './errors.js';
import type { Session } from './session.js';

export class SessionRegistry {
  readonly #sessions = new Map<string, Session>();
  readonly #byClientId = new Map<string, Session>();

  get size(): number {
    return this.#sessions.size;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  values(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  remove(session: Session): void {
    this.#sessions.delete(session.id);
    const { clientId } = session;
    if (clientId !== undefined && this.#byClientId.get(clientId) === session) this.#byClientId.delete(clientId);
  }

  /**
   * Gives a client-id to a session. The same user's older connection is ended, as it is most likely a dead one whose
   * end has not been noticed yet; another user's is left alone.
   * @throws BrokerError `client-id-in-use`
   */
  claimClientId(clientId: string, session: Session): void {
    const holder = this.#byClientId.get(clientId);
    if (holder !== undefined && holder !== session) {
      if (holder.principal?.name !== session.principal?.name) {
        throw new BrokerError('client-id-in-use', `client-id ${quoteInput(clientId, 120)} is in use by another user`);
      }
      holder.refuse(new BrokerError('client-id-displaced', 'This client-id has connected elsewhere'));
    }
    this.#byClientId.set(clientId, session);
  }
}
