/**
 * Where connections come in: lets them in as sessions, or refuses them while the node is full, short of memory, not started
 * or draining. Transports ask it before and when they have one.
 */
import { createId } from './create-id.js';
import type { BrokerError } from './errors.js';
import type {
  AcceptConnection,
  Connection,
  ConnectionListener,
  ConnectionRefusal,
  EntryTerms,
  Handshake,
} from './ports.js';
import { Session, type SessionOrigin } from './session.js';
import type { SessionEnvironment } from './session-environment.js';

/** Who else decides whether somebody is let in; implemented by BrokerOperations. */
export interface Admission {
  readonly isAccepting: boolean;
  readonly maxConnections: number;
}

export class Entrance {
  readonly #environment: SessionEnvironment;
  readonly #admission: Admission;

  constructor(environment: SessionEnvironment, admission: Admission) {
    this.#environment = environment;
    this.#admission = admission;
  }

  /**
   * A transport's new connection.
   * @param terms null: it is let in as everybody
   * @returns null when it is refused without a word
   */
  accept(connection: Connection, terms: EntryTerms | null): ConnectionListener | null {
    const { registry, stats, wheel, logger, quotas, memory } = this.#environment;
    stats.connectionsTotal++;
    const { isAccepting, maxConnections } = this.#admission;
    // Who only looks is how operators see what is wrong.
    const shortage = this.#shortage(terms);
    const isCurt = shortage !== null && memory?.isCurt === true;
    if (!isAccepting || registry.size >= maxConnections || isCurt) {
      stats.connectionsRefused++;
      const code = !isAccepting ? 'server-shutdown' : isCurt ? 'memory-low' : 'limit-exceeded';
      stats.countRefusal(code);
      logger.warn(
        { code, remoteAddress: connection.remoteAddress, transport: connection.transport },
        'connection refused',
      );
      return null;
    }
    wheel.touch();
    const origin = this.#originOf(connection, terms);
    const refusal = shortage ?? quotas.refusal(origin.address);
    const session =
      refusal === null
        ? new Session(createId(16), connection, this.#environment, origin)
        : new Session(createId(16), connection, this.#environment, { address: null, handshake: null, terms });
    registry.add(session);
    stats.countTransport(connection.transport, 1);
    if (refusal !== null) {
      stats.connectionsRefused++;
      session.refuse(refusal);
    }
    return session;
  }

  /** What a transport is given: `accept` on these terms, and what it may ask before. */
  acceptor(terms: EntryTerms | null): AcceptConnection {
    const accept = (connection: Connection): ConnectionListener | null => this.accept(connection, terms);
    const shortage = (): ConnectionRefusal | null => {
      const error = this.#shortage(terms);
      return error === null ? null : this.#refused(error, true);
    };
    return Object.assign(accept, {
      shortage,
      refusal: (remoteAddress: string, handshake: Handshake): ConnectionRefusal | null => {
        const { quotas } = this.#environment;
        const short = shortage();
        if (short !== null) return short;
        const error = quotas.refusal(quotas.addressOf(remoteAddress, handshake));
        return error === null ? null : this.#refused(error, false);
      },
    });
  }

  /** Memory is short; null: it is not, or it is no matter. Counts who is let in even so. */
  #shortage(terms: EntryTerms | null): BrokerError | null {
    return terms?.isObserver === true ? null : (this.#environment.memory?.refusal() ?? null);
  }

  #refused({ code, message, retryAfterMs = 0 }: BrokerError, isServers: boolean): ConnectionRefusal {
    const { stats } = this.#environment;
    stats.countRefusal(code);
    stats.connectionsTotal++;
    stats.connectionsRefused++;
    return { message, retryAfterMs, isServers };
  }

  #originOf(connection: Connection, terms: EntryTerms | null): SessionOrigin {
    const { quotas } = this.#environment;
    if (!quotas.countsAddresses) return { address: null, handshake: null, terms };
    const handshake = connection.takeHandshake();
    return { address: quotas.addressOf(connection.remoteAddress, handshake), handshake, terms };
  }
}
