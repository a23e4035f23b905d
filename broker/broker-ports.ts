/** What a broker is given by its composition root: each port, and what may not be had together. */
import { BrokerError } from './errors.js';
import type { BrokerOptions } from './options.js';
import type {
  Authenticator,
  Authorizer,
  BrokerRelay,
  Clock,
  ClusterMembers,
  Logger,
  NodeHistories,
  NodeRelay,
  ProcessMemory,
  SharedStore,
  Store,
  Tracing,
} from './ports.js';

export interface BrokerPorts {
  /** Missing: everything is allowed. */
  readonly authorizer?: Authorizer | null | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  /** Missing: nothing is stored; what asks for it is kept in memory. */
  readonly store?: Store | SharedStore | null | undefined;
  /** Missing: every destination is this node's. */
  readonly relay?: BrokerRelay | null | undefined;
  /** Missing: there are no other nodes. Not together with `relay`. */
  readonly nodeRelay?: NodeRelay | null | undefined;
  /** With `nodeRelay`: which other nodes there are. Missing: nobody asks. */
  readonly members?: ClusterMembers | null | undefined;
  /** Histories that nodes share: wanted with `nodeRelay` where there are rules for any, and a store that is shared. */
  readonly nodeHistories?: NodeHistories | null | undefined;
  /** Missing: nobody follows messages. */
  readonly tracing?: Tracing | null | undefined;
  /** Missing: nobody watches how much the process takes, whatever `memory` of the options says. */
  readonly memory?: ProcessMemory | null | undefined;
}

/** @throws BrokerError `invalid-option` for what cannot be had together */
export function checkPorts({ history }: BrokerOptions, ports: BrokerPorts): void {
  const { relay = null, nodeRelay = null, nodeHistories = null } = ports;
  if (nodeRelay === null) return;
  if (relay !== null) {
    throw new BrokerError('invalid-option', 'relay and nodeRelay: got both, wants one of them');
  }
  if (history.length === 0 || nodeHistories !== null) return;
  throw new BrokerError(
    'invalid-option',
    `invalid option history: got ${history.length} rules, wants none with a relay between nodes that shares no histories: offsets would be a node's own`,
  );
}
