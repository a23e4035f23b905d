/**
 * Users on other nodes behind the same external broker (Spring S3.35, S3.36): nodes tell each other who is connected, and
 * pass on messages for users they do not know. A message that was passed on is never passed on again.
 */
import { Headers } from '../../protocol/index.js';
import type { UserRegistry } from '../application/user-registry.js';
import type { UserDestinations } from '../destinations/user-destinations.js';
import type { BrokerRelay, Clock, Logger, RelayedMessage } from '../ports.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { RelayedDestinations } from './relayed-destinations.js';

export interface RelayedUsersParts {
  readonly relay: BrokerRelay;
  readonly relayed: RelayedDestinations;
  readonly destinations: UserDestinations;
  readonly users: UserRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What nobody else is called. */
  readonly nodeId: string;
}

interface NodeSnapshot {
  /** Ids of sessions, by user. */
  readonly users: ReadonlyMap<string, readonly string[]>;
  readonly expiresMs: number;
}

/** Spring's intervals. */
const TELL_EVERY_MS = 10_000;
const EXPIRES_AFTER_MS = 20_000;

export class RelayedUsers {
  readonly #parts: RelayedUsersParts;
  readonly #nodes = new Map<string, NodeSnapshot>();
  #stopTelling: (() => void) | null = null;

  constructor(parts: RelayedUsersParts) {
    this.#parts = parts;
    const { userDestinationBroadcast, userRegistryBroadcast } = parts.relay;
    if (userDestinationBroadcast !== null) {
      parts.relay.subscribeSystem(userDestinationBroadcast, (message) => {
        this.#deliver(message);
      });
    }
    if (userRegistryBroadcast !== null) {
      parts.relay.subscribeSystem(userRegistryBroadcast, (message) => {
        this.#takeSnapshot(message);
      });
    }
  }

  start(): void {
    const address = this.#parts.relay.userRegistryBroadcast;
    if (address === null) return;
    this.#stopTelling = this.#parts.clock.every(TELL_EVERY_MS, () => {
      this.#tell(address);
    });
  }

  stop(): void {
    this.#stopTelling?.();
    this.#stopTelling = null;
  }

  /** The sessions of a user on other nodes, as far as those have told. */
  sessionIds(user: string): string[] {
    this.#forgetExpired();
    return [...this.#nodes.values()].flatMap(({ users }) => users.get(user) ?? []);
  }

  #tell(address: string): void {
    const { relay, users, nodeId, logger } = this.#parts;
    if (relay.problem !== null) return;
    const known = users.all().map(({ name, sessions }) => [name, sessions.map(({ id }) => id)] as const);
    const body = Buffer.from(JSON.stringify({ id: nodeId, users: known }));
    const headers = new Headers([
      ['destination', address],
      ['content-type', 'application/json'],
    ]);
    const onRefused = (error: unknown): void => {
      logger.warn({ err: error }, 'other nodes could not be told who is connected');
    };
    void relay.system.submit({ frames: [{ command: 'SEND', headers, body }], isAwaited: false, onRefused });
  }

  #takeSnapshot({ body }: RelayedMessage): void {
    const { nodeId, clock, logger } = this.#parts;
    try {
      const { id, users } = parseSnapshot(body.toString());
      if (id !== nodeId) this.#nodes.set(id, { users, expiresMs: clock.nowMs() + EXPIRES_AFTER_MS });
    } catch (error) {
      logger.warn({ err: error }, 'what another node says of its users is not understood');
    }
    this.#forgetExpired();
  }

  #forgetExpired(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const [id, { expiresMs }] of this.#nodes) if (expiresMs <= nowMs) this.#nodes.delete(id);
  }

  /** A message that another node had nobody for. */
  #deliver({ headers, body }: RelayedMessage): void {
    const { destinations, relayed, logger } = this.#parts;
    const list = new Headers(headers);
    const target = destinations.parse(list.get('simpOrigDestination') ?? '');
    if (target === null || !relayed.relay.covers(target.rest)) return;
    const ids = [...destinations.resolve(target.user, null)];
    if (ids.length === 0) return;
    const unit = new WriteUnit(null);
    relayed.publishToSessions(ids, target.rest, list, body, unit);
    unit.submit()?.catch((error: unknown) => {
      logger.warn({ err: error }, 'a message for a user could not be passed on');
    });
  }
}

/** @throws Error when it is none */
function parseSnapshot(text: string): { readonly id: string; readonly users: ReadonlyMap<string, readonly string[]> } {
  const { id, users } = JSON.parse(text) as { readonly id?: unknown; readonly users?: unknown };
  if (typeof id !== 'string' || !Array.isArray(users)) throw new Error('wants an object with id and users');
  const entries = users.map((entry: unknown): [string, string[]] => {
    const [name, sessions] = entry as readonly [unknown, unknown];
    if (typeof name !== 'string' || !Array.isArray(sessions)) throw new Error('wants a name and its sessions');
    return [name, sessions.filter((session) => typeof session === 'string')];
  });
  return { id, users: new Map(entries) };
}
