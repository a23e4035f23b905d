/**
 * How much one session may send (quotas/): by its own rates, its user's and its address'. It counts as one connection of its
 * address, and of its user once that is known. Beside it, what one SEND may, by its destinations.
 */
import { Command, type Frame, type RawFrame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { weighHeaders } from '../message.js';
import { WheelTimer } from '../wheel-timer.js';
import type { SessionQuota } from '../quotas/session-quota.js';
import type { SessionEnvironment } from '../session-environment.js';
import type { OwnSession } from './own-session.js';

export class SessionRates {
  /** Null: it may send as fast as it can. */
  readonly quota: SessionQuota | null;
  readonly #session: OwnSession;
  /** What its connection counts for. */
  #address: string | null;
  #user: string | null = null;

  private constructor(session: OwnSession, quota: SessionQuota | null, address: string | null) {
    this.#session = session;
    this.quota = quota;
    this.#address = address;
  }

  /** @param address null where addresses do not count @returns null where nothing is counted or measured */
  static open(session: OwnSession, address: string | null): SessionRates | null {
    const { quotas } = session.environment;
    const quota = quotas.open(address);
    if (quota === null && address === null && !quotas.countsUsers) return null;
    return new SessionRates(session, quota, address);
  }

  /** @throws BrokerError `connection-limit` */
  enter(user: string): void {
    this.#session.environment.quotas.enter(user, this.quota);
    this.#user = user;
  }

  /** It counts for nobody any more. */
  release(): void {
    this.#session.environment.quotas.close(this.#address, this.#user);
    this.#address = this.#user = null;
  }

  /** As `ConnectionListener.admit`. */
  admit(bytes: number): number {
    const { quota } = this;
    if (quota === null || quota.onExceeded === 'pause') return 0;
    const { stats, clock } = this.#session.environment;
    const waitMs = quota.admit(bytes, clock.nowMs());
    if (waitMs === 0) return 0;
    stats.rateLimited++;
    stats.countRefusal('rate-limited');
    return waitMs;
  }

  /**
   * Counts a frame. SEND and SUBSCRIBE make work for others; all other frames are about what the server gave, or end
   * something.
   * @returns how long the session has to wait behind it, in ms: for `overstep`
   * @throws BrokerError `rate-limited`
   */
  count(raw: RawFrame): number {
    const { quota } = this;
    if (quota === null) return 0;
    if (raw.command !== Command.SEND && raw.command !== Command.SUBSCRIBE) return 0;
    const { connection, environment } = this.#session;
    const { budget, stats } = environment;
    const bytes = raw.end - raw.headersStart;
    if (quota.onExceeded !== 'refuse') return quota.charge(bytes, budget.takenUpMs);
    // A gateway has asked already, about what its client said.
    if (connection.keepsAfterError === true) return 0;
    const retryAfterMs = quota.admit(bytes, budget.takenUpMs);
    if (retryAfterMs === 0) return 0;
    stats.rateLimited++;
    throw rateLimited('this session, its user or its address may send', retryAfterMs);
  }

  /** Resolves when what was sent too early is due. */
  overstep(waitMs: number): Promise<void> {
    const { environment } = this.#session;
    environment.stats.rateLimited++;
    return pause(environment, waitMs);
  }
}

/** As `CommandContext.charge`. */
export function chargeSend(environment: SessionEnvironment, destinations: readonly string[], frame: Frame): number {
  const { quotas, clock, stats } = environment;
  const quota = quotas.ofSend(destinations);
  if (quota === null) return 0;
  const bytes = frame.body.length + weighHeaders(frame.headers);
  const isRefused = quota.onExceeded === 'refuse';
  const waitMs = isRefused ? quota.admit(bytes, clock.nowMs()) : quota.charge(bytes, clock.nowMs());
  if (waitMs === 0) return 0;
  stats.rateLimited++;
  if (isRefused) throw rateLimited('this destination takes', waitMs);
  return waitMs;
}

/** As `CommandContext.pause`. */
export function pause({ wheel, clock }: SessionEnvironment, ms: number): Promise<void> {
  return new Promise((resolve) => {
    wheel.schedule(new WheelTimer(resolve), clock.nowMs() + ms);
  });
}

function rateLimited(than: string, retryAfterMs: number): BrokerError {
  return new BrokerError('rate-limited', `More messages or octets than ${than}`, { retryAfterMs });
}
