/**
 * Composition root: the one place that names concrete adapters. What a server of its own (stomp-server.ts) and a broker
 * inside another server (embedding/) have in common is put together here, once.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Broker } from '../broker/broker.js';
import type {
  Authenticator,
  BrokerRelay,
  Clock,
  Logger,
  NodeHistories,
  NodeRelay,
  ProcessMemory,
  Store,
} from '../broker/ports.js';
import type { AccessPorts } from './access.js';
import { OptionsError, type ResolvedServerOptions, type ResolvedStompRelayOptions } from './config/index.js';
import {
  type ConnectionSink,
  MemoryConnectionSink,
  SessionRecorder,
  type SessionRecorderPorts,
  SqliteConnectionSink,
} from './connection-log/index.js';
import { composeTracing } from './tracing/index.js';
import type { Gateway } from './gateways/index.js';
import { createLogger, type ServerLogger } from './logging/index.js';
import {
  RedisClients,
  RedisCommands,
  RedisHistories,
  RedisKeys,
  RedisMembers,
  RedisRelay,
  RedisSignals,
  RedisStore,
} from './redis/index.js';
import { socketDial, StompRelay } from './relays/index.js';
import { ReloadableAccess } from './reloadable-access.js';
import { MemoryStore, SqliteStore } from './stores/index.js';
import { SystemMemory } from './system-memory.js';
import { SystemClock } from './system-clock.js';

/** What an embedding application may bring instead of what the options would make. */
export interface CompositionPorts<Log extends Logger = Logger> extends AccessPorts {
  /** Default: `log` of the options, to standard error. */
  readonly logger?: Log | undefined;
  readonly clock?: Clock | undefined;
  /** What the memory budget is about; default: this process. */
  readonly memory?: ProcessMemory | undefined;
  /** Where the connection log is kept, instead of `connectionLog.file`; needs `connectionLog` to be on. */
  readonly connectionSink?: ConnectionSink | undefined;
  /** Where stored messages go, instead of what `data` says; not open yet, and closed with the broker. */
  readonly store?: Store | undefined;
  /** Ways in for clients that speak something else, on the HTTP server; not with `workers`. */
  readonly gateways?: readonly Gateway[] | undefined;
}

/** The logger of the options, unless the application brought one. */
export function composeLogger<Log extends Logger>(
  options: ResolvedServerOptions,
  ports: CompositionPorts<Log>,
): Log | ServerLogger {
  return ports.logger ?? createLogger(options.log);
}

export interface ComposedBroker {
  readonly broker: Broker;
  /** The one that CONNECT asks. */
  readonly authenticator: Authenticator;
  /** To be loaded before the broker starts. */
  readonly access: ReloadableAccess;
  /** Null when it is off. To be opened before the broker starts, and closed when its last connection is gone. */
  readonly connectionLog: SessionRecorder | null;
}

/**
 * A broker that is not started yet. Says in the log when its options let nobody in.
 * @throws OptionsError for a rule that is none, and for a connection sink without a connection log
 */
export function composeBroker(
  options: ResolvedServerOptions,
  ports: Omit<CompositionPorts, 'logger'>,
  logger: Logger,
): ComposedBroker {
  const clock = ports.clock ?? new SystemClock();
  const access = new ReloadableAccess(options, ports, { clock, logger });
  const { authenticator, authorizer } = access;
  const redis = composeRedis(options, { clock, logger });
  const store = ports.store ?? redis?.store ?? composeStore(options, clock);
  const relays = composeRelays(options, redis, { clock, logger });
  const members = redis?.members ?? null;
  const tracing = composeTracing();
  const memory = ports.memory ?? new SystemMemory();
  const parts = { clock, logger, authenticator, authorizer, store, members, tracing, memory, ...relays };
  const broker = new Broker(options.broker, parts);
  const connectionLog = composeConnectionLog(options, ports.connectionSink, { events: broker.events, clock, logger });
  return { broker, authenticator, access, connectionLog };
}

/** Where stored messages go: into the directory `data`, or into memory where that is false. Not open yet. */
export function composeStore({ data }: Pick<ResolvedServerOptions, 'data'>, clock: Pick<Clock, 'epochMs'>): Store {
  return data === false ? new MemoryStore({ clock }) : new SqliteStore({ directory: data, clock });
}

interface RelayPorts {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface ComposedRelays {
  readonly relay: BrokerRelay | null;
  readonly nodeRelay: NodeRelay | null;
  readonly nodeHistories: NodeHistories | null;
}

/** Not connecting yet. @throws OptionsError when the file of authorities cannot be read */
function composeRelays(
  { relay, broker }: ResolvedServerOptions,
  redis: RedisParts | null,
  ports: RelayPorts,
): ComposedRelays {
  const none = { relay: null, nodeRelay: null, nodeHistories: null };
  if (relay === false) return none;
  if (relay.type === 'stomp') return { ...none, relay: composeStompRelay(relay, ports) };
  if (redis === null) return none;
  const { separator } = broker.destinations;
  const { members } = redis;
  return {
    relay: null,
    nodeRelay: new RedisRelay({ ...relay, separator }, { ...ports, ...redis }),
    nodeHistories: new RedisHistories({ ...ports, ...redis, incarnation: () => members.incarnation }),
  };
}

/** What all parts of this node that use Redis share. */
interface RedisParts {
  readonly clients: RedisClients;
  /** Each part starts and stops it with itself. */
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly members: RedisMembers;
  readonly store: RedisStore;
}

/** Null: no relay over Redis. Not connecting yet. @throws OptionsError when the file of authorities cannot be read */
export function composeRedis(
  { relay, broker }: Pick<ResolvedServerOptions, 'relay' | 'broker'>,
  ports: RelayPorts,
): RedisParts | null {
  if (relay === false || relay.type !== 'redis') return null;
  const { tls } = relay;
  const ca = typeof tls === 'boolean' ? undefined : readAuthorities(tls.caFile);
  const clients = new RedisClients({ ...relay, tls: tls === false ? null : { ca } }, ports.clock);
  const commands = new RedisCommands(relay, { ...ports, clients });
  const keys = new RedisKeys(relay.keyPrefix);
  const nodeId = broker.nodeId === '' ? randomBytes(6).toString('base64url') : broker.nodeId;
  const members = new RedisMembers({ nodeId, leaseMs: relay.leaseMs }, { ...ports, commands, keys });
  const signals = new RedisSignals({ ...ports, clients, keys });
  const incarnation = (): string => members.incarnation;
  const store = new RedisStore(relay, { commands, signals, keys, clock: ports.clock, incarnation });
  return { clients, commands, signals, keys, members, store };
}

function composeStompRelay({ host, port, tls, ...options }: ResolvedStompRelayOptions, ports: RelayPorts): BrokerRelay {
  const caFile = typeof tls === 'boolean' ? undefined : tls.caFile;
  const dial = socketDial({ host, port, tls: tls === false ? null : { ca: readAuthorities(caFile) } });
  const orNull = (value: string | false): string | null => (value === false ? null : value);
  const { virtualHost, userDestinationBroadcast, userRegistryBroadcast } = options;
  return new StompRelay(
    {
      ...options,
      virtualHost: orNull(virtualHost),
      userDestinationBroadcast: orNull(userDestinationBroadcast),
      userRegistryBroadcast: orNull(userRegistryBroadcast),
    },
    { ...ports, dial },
  );
}

function readAuthorities(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new OptionsError([
      `relay.tls.caFile: got ${JSON.stringify(file)}, wants a readable PEM file (${String(code)})`,
    ]);
  }
}

function composeConnectionLog(
  { connectionLog }: ResolvedServerOptions,
  given: ConnectionSink | undefined,
  ports: Omit<SessionRecorderPorts, 'sink'>,
): SessionRecorder | null {
  if (connectionLog === false) {
    if (given === undefined) return null;
    throw new OptionsError(['connectionLog: got false, wants true or an object, since a connectionSink is given']);
  }
  const { file, ...options } = connectionLog;
  const sink = given ?? (file === false ? new MemoryConnectionSink() : new SqliteConnectionSink(file));
  return new SessionRecorder(options, { ...ports, sink });
}
