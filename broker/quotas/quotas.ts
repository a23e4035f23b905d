/** Quotas of one node: who is connected how often, and the meters that sessions are measured by. */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { Clock, Handshake } from '../ports.js';
import type { TimerWheel } from '../timer-wheel.js';
import { clientAddress } from './client-address.js';
import { Meter } from './meter.js';
import { Meters } from './meters.js';
import { hasRate, type QuotaOptions, type ShareOptions } from './quota-options.js';
import { SessionQuota } from './session-quota.js';

export type QuotaKind = 'user' | 'address';

/** The other nodes, as far as quotas are concerned. */
export interface QuotaNodes {
  /** Connections there. */
  connections(kind: QuotaKind, name: string): number;
  /** The number of connections here has changed. */
  changed(kind: QuotaKind, name: string): void;
}

/** When who has too many connections should try again: nobody knows when one of them ends. */
const RETRY_CONNECT_MS = 10_000;

export class Quotas {
  readonly #options: QuotaOptions;
  readonly #meters: Readonly<Record<QuotaKind, Meters>>;
  /** Null: a single node, or nothing that nodes share. */
  #shared: QuotaNodes | null = null;

  constructor(options: QuotaOptions, { clock, wheel }: { readonly clock: Clock; readonly wheel: TimerWheel }) {
    this.#options = options;
    const meters = (kind: QuotaKind): Meters =>
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
    return isUsed(this.#options.user) || isUsed(this.#options.address);
  }

  /** There are other nodes. */
  share(shared: QuotaNodes): void {
    this.#shared = shared;
  }

  metersOf(kind: QuotaKind): Meters {
    return this.#meters[kind];
  }

  optionsOf(kind: QuotaKind): ShareOptions {
    return this.#options[kind];
  }

  get countsAddresses(): boolean {
    return isUsed(this.#options.address);
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

function tooMany(kind: QuotaKind, name: string): BrokerError {
  const whose = kind === 'user' ? `user ${quoteInput(name, 120)}` : `address ${name}`;
  return new BrokerError('connection-limit', `Too many connections of ${whose}`, { retryAfterMs: RETRY_CONNECT_MS });
}
