/** Quotas of one node: who is connected how often, and the meters that sessions are measured by. */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { Clock, Handshake } from '../ports.js';
import type { TimerWheel } from '../timer-wheel.js';
import { clientAddress } from './client-address.js';
import { DestinationMeters } from './destination-meters.js';
import { Meter } from './meter.js';
import { Meters } from './meters.js';
import { hasRate, type QuotaOptions, type ShareOptions } from './quota-options.js';
import { SessionQuota } from './session-quota.js';

export type QuotaKind = 'user' | 'address' | 'destination';
/** Whose connections count. */
type HolderKind = Exclude<QuotaKind, 'destination'>;

/** The other nodes, as far as quotas are concerned. */
export interface QuotaNodes {
  /** Connections there. */
  connections(kind: QuotaKind, name: string): number;
  /** The number of connections here has changed. */
  changed(kind: QuotaKind, name: string): void;
}

export interface QuotaParts {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Of destinations. */
  readonly separator: string;
  readonly maxLengthBytes: number;
}

/** Meters by name. */
export interface NamedMeters {
  entries(): Iterable<readonly [string, Meter]>;
  get(name: string): Meter | undefined;
}

const NO_METERS: NamedMeters = { entries: () => [], get: () => undefined };

/** When who has too many connections should try again: nobody knows when one of them ends. */
const RETRY_CONNECT_MS = 10_000;

export class Quotas {
  readonly #options: QuotaOptions;
  readonly #meters: Readonly<Record<HolderKind, Meters>>;
  /** Null: nothing is measured by destination. */
  readonly #destinations: DestinationMeters | null;
  /** Null: a single node, or nothing that nodes share. */
  #shared: QuotaNodes | null = null;

  constructor(options: QuotaOptions, { clock, wheel, separator, maxLengthBytes }: QuotaParts) {
    this.#options = options;
    const { destinations: rules } = options;
    this.#destinations =
      rules.length === 0 ? null : new DestinationMeters({ rules, separator, maxLengthBytes, clock, wheel });
    const meters = (kind: HolderKind): Meters =>
      new Meters({
        options: options[kind],
        clock,
        wheel,
        elsewhere: (name) => this.#shared?.connections(kind, name) ?? 0,
        onChange: (name) => this.#shared?.changed(kind, name),
      });
    this.#meters = { user: meters('user'), address: meters('address') };
  }

  /** Whether anything is counted by name. */
  get isShared(): boolean {
    return isUsed(this.#options.user) || isUsed(this.#options.address) || this.#destinations !== null;
  }

  /** There are other nodes. */
  share(shared: QuotaNodes): void {
    this.#shared = shared;
  }

  /** All that are remembered. */
  metersOf(kind: QuotaKind): NamedMeters {
    return kind === 'destination' ? (this.#destinations ?? NO_METERS) : this.#meters[kind];
  }

  /** Whether what is sent there is counted. */
  measures(destination: string): boolean {
    return this.#destinations !== null && this.#destinations.of(destination) !== null;
  }

  /** What a SEND to these is measured by; null: by nothing. */
  ofSend(destinations: readonly string[]): SessionQuota | null {
    const known = this.#destinations;
    if (known === null) return null;
    const meters = destinations.map((name) => known.of(name)).filter((meter) => meter !== null);
    return meters.length === 0 ? null : new SessionQuota(meters, this.#options.onExceeded);
  }

  get countsAddresses(): boolean {
    return isUsed(this.#options.address);
  }

  get countsUsers(): boolean {
    return isUsed(this.#options.user);
  }

  /** The address that counts; null where addresses do not count. */
  addressOf(remoteAddress: string, handshake: Handshake | null): string | null {
    const { address, proxyHops } = this.#options;
    return isUsed(address) ? clientAddress(remoteAddress, handshake, proxyHops) : null;
  }

  /** Why there may be no more connections from an address; null when there may. */
  refusal(address: string | null): BrokerError | null {
    return address !== null && this.#meters.address.isFull(address) ? tooMany('address', address) : null;
  }

  /** A session begins. @returns null where nothing is measured */
  open(address: string | null): SessionQuota | null {
    const { session, user, address: shared, onExceeded } = this.#options;
    const meters = hasRate(session) ? [new Meter(session)] : [];
    const entered = address === null ? null : this.#meters.address.enter(address);
    if (entered !== null && hasRate(shared)) meters.push(entered);
    return meters.length > 0 || hasRate(user) ? new SessionQuota(meters, onExceeded) : null;
  }

  /** Its user is known. @throws BrokerError `connection-limit` */
  enter(user: string, quota: SessionQuota | null): void {
    if (!isUsed(this.#options.user)) return;
    if (this.#meters.user.isFull(user)) throw tooMany('user', user);
    const meter = this.#meters.user.enter(user);
    if (hasRate(this.#options.user)) quota?.add(meter);
  }

  /** It is over. @param user null: it had not entered */
  close(address: string | null, user: string | null): void {
    if (address !== null) this.#meters.address.leave(address);
    if (user !== null && isUsed(this.#options.user)) this.#meters.user.leave(user);
  }
}

function isUsed(options: ShareOptions): boolean {
  return options.maxConnections > 0 || hasRate(options);
}

function tooMany(kind: HolderKind, name: string): BrokerError {
  const whose = kind === 'user' ? `user ${quoteInput(name, 120)}` : `address ${name}`;
  return new BrokerError('connection-limit', `Too many connections of ${whose}`, { retryAfterMs: RETRY_CONNECT_MS });
}
