/**
 * How much one session may send (quotas/): by its own rates, its user's and its address', and by those of destinations. It
 * counts as one connection of its address, and of its user once that is known.
 */
import { Command, type Frame, type RawFrame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { weighHeaders } from '../message.js';
import { WheelTimer } from '../wheel-timer.js';
import type { Connection } from '../ports.js';
import type { SessionQuota } from '../quotas/session-quota.js';
import type { SessionEnvironment } from '../session-environment.js';

export class SessionRates {
  /** Null: it may send as fast as it can. */
  readonly quota: SessionQuota | null;
  readonly #connection: Connection;
  readonly #environment: SessionEnvironment;
  /** What its connection counts for. */
  #address: string | null;
  #user: string | null = null;

  /** @param address null where addresses do not count */
  constructor(address: string | null, connection: Connection, environment: SessionEnvironment) {
    this.quota = environment.quotas.open(address);
    this.#address = address;
    this.#connection = connection;
    this.#environment = environment;
  }

  /** @throws BrokerError `connection-limit` */
  enter(user: string): void {
    this.#environment.quotas.enter(user, this.quota);
    this.#user = user;
  }

  /** It counts for nobody any more. */
  release(): void {
    this.#environment.quotas.close(this.#address, this.#user);
    this.#address = this.#user = null;
  }

  /** As `ConnectionListener.admit`. */
  admit(bytes: number): number {
    const { quota } = this;
    if (quota === null || quota.onExceeded === 'pause') return 0;
    const { stats, clock } = this.#environment;
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
  count(raw: RawFrame, quota: SessionQuota): number {
    if (raw.command !== Command.SEND && raw.command !== Command.SUBSCRIBE) return 0;
    const { budget } = this.#environment;
    const bytes = raw.end - raw.headersStart;
    if (quota.onExceeded !== 'refuse') return quota.charge(bytes, budget.takenUpMs);
    // A gateway has asked already, about what its client said.
    if (this.#connection.keepsAfterError === true) return 0;
    const retryAfterMs = quota.admit(bytes, budget.takenUpMs);
    if (retryAfterMs > 0) this.#refuse('this session, its user or its address may send', retryAfterMs);
    return 0;
  }

  /** As `CommandContext.charge`. */
  charge(destinations: readonly string[], frame: Frame): number {
    const { quotas, clock, stats } = this.#environment;
    const quota = quotas.ofSend(destinations);
    if (quota === null) return 0;
    const bytes = frame.body.length + weighHeaders(frame.headers);
    const isRefused = quota.onExceeded === 'refuse';
    const waitMs = isRefused ? quota.admit(bytes, clock.nowMs()) : quota.charge(bytes, clock.nowMs());
    if (waitMs === 0) return 0;
    if (isRefused) this.#refuse('this destination takes', waitMs);
    stats.rateLimited++;
    return waitMs;
  }

  /** Resolves when what was sent too early is due. */
  overstep(waitMs: number): Promise<void> {
    this.#environment.stats.rateLimited++;
    return this.pause(waitMs);
  }

  pause(ms: number): Promise<void> {
    const { wheel, clock } = this.#environment;
    return new Promise((resolve) => {
      wheel.schedule(new WheelTimer(resolve), clock.nowMs() + ms);
    });
  }

  #refuse(than: string, retryAfterMs: number): never {
    this.#environment.stats.rateLimited++;
    throw new BrokerError('rate-limited', `More messages or octets than ${than}`, { retryAfterMs });
  }
}
