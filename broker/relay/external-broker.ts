/** The external broker, and the users behind it on other nodes: it comes and goes, what is this node's own stays available. */
import type { SessionEvents } from '../application/session-events.js';
import type { BrokerRelay, RelayProblem } from '../ports.js';
import { RelayedUsers, type RelayedUsersParts } from './relayed-users.js';

export class ExternalBroker {
  /** Users on other nodes. */
  readonly users: RelayedUsers;
  readonly #relay: BrokerRelay;
  readonly #events: SessionEvents;

  constructor(parts: RelayedUsersParts, events: SessionEvents) {
    this.#relay = parts.relay;
    this.#events = events;
    this.users = new RelayedUsers(parts);
  }

  /** Why it cannot be used; null: it can. */
  get problem(): RelayProblem | null {
    return this.#relay.problem;
  }

  start(): void {
    this.users.start();
    this.#relay.start({
      onAvailable: (available) => {
        this.#events.emit('availability', { available });
      },
    });
  }

  stop(): Promise<void> {
    this.users.stop();
    return this.#relay.stop();
  }
}
