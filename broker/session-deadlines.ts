/**
 * Everything about one session that is a matter of time: CONNECT in time, heart-beats both ways (STOMP 1.2, Heart-beating),
 * the soft limit of its outbox, the end of its credentials, lingering after its end. One entry in the wheel, whose
 * deadline is whichever comes first; activity is a number field set from the wheel's coarse clock.
 */
import { BrokerError } from './errors.js';
import type { NegotiatedHeartBeat } from '../protocol/index.js';
import type { BrokerOptions } from './options.js';
import type { TimerWheel, WheelEntry } from './timer-wheel.js';

/** What happens to the session when its time is up. */
export interface DeadlineOwner {
  /** Input is held back by the server itself, so that silence is not the client's. */
  readonly isSuspended: boolean;
  /** What has arrived waits for the turns of others alone. */
  readonly awaitsTurn: boolean;
  /** As this: the client was asked to go, and is not read from. */
  readonly isPaused: boolean;
  /** By the wheel's clock: when octets last left. */
  readonly lastWriteMs: number;
  /** Refused with ERROR. */
  refuse(error: BrokerError): void;
  /** One LF is due; the owner may know better than to send it. */
  sendHeartBeat(nowMs: number): void;
  onSoftLimitExceeded(): void;
  /** @returns whether the client could be told; if not, it is tried again soon */
  onCredentialsExpiring(leftMs: number): boolean;
  /** The client has not closed its side in the time it was given. */
  onLingerExpired(): void;
}

const NO_BEAT: NegotiatedHeartBeat = Object.freeze({ sendEveryMs: 0, receiveEveryMs: 0 });
/** Two ticks of the wheel, so that a heart-beat is early rather than late whatever the interval. */
const HEART_BEAT_SLACK_MS = 100;
/** A token may be short-lived enough to expire soon before its client has subscribed to be told. */
const NOTICE_RETRY_MS = 500;
/** CONNECT may have been here in time, on a node too busy to look: it is decided when its turn has come. */
const BUSY_RETRY_MS = 500;

type Phase = 'connecting' | 'connected' | 'lingering' | 'over';

export class SessionDeadlines implements WheelEntry {
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = 0;
  /** By the wheel's clock: when octets last arrived. */
  lastReadMs: number;
  readonly acceptedMs: number;
  readonly #owner: DeadlineOwner;
  readonly #options: BrokerOptions;
  readonly #wheel: TimerWheel;
  #phase: Phase = 'connecting';
  #heartBeat = NO_BEAT;
  /** 0 while the outbox is within its soft limit. */
  #overSoftSinceMs = 0;
  #lingerUntilMs = 0;
  /** 0 is never. */
  #expiresAtMs = 0;
  #isExpiryTold = false;
  /** By the wheel's clock: when the frame began that is not whole yet; 0: there is none. */
  #frameSinceMs = 0;
  /** By the wheel's clock: when the client is told next that they expire. */
  #noticeDueMs = 0;

  constructor(owner: DeadlineOwner, options: BrokerOptions, wheel: TimerWheel) {
    this.#owner = owner;
    this.#options = options;
    this.#wheel = wheel;
    this.acceptedMs = this.lastReadMs = wheel.nowMs;
    wheel.schedule(this, wheel.nowMs + options.limits.connectTimeoutMs);
  }

  get heartBeat(): NegotiatedHeartBeat {
    return this.#heartBeat;
  }

  /** CONNECTED is on its way. */
  connected(heartBeat: NegotiatedHeartBeat): void {
    this.#phase = 'connected';
    this.#heartBeat = heartBeat;
    this.lastReadMs = this.#wheel.nowMs;
    this.#reschedule();
  }

  /** @param leftMs until the credentials expire; undefined is never */
  setExpiry(leftMs: number | undefined): void {
    this.#isExpiryTold = false;
    this.#expiresAtMs = leftMs === undefined ? 0 : Math.max(1, this.#wheel.nowMs + leftMs);
    this.#noticeDueMs = this.#expiresAtMs - this.#options.handlers.expiryNoticeMs;
    if (this.#phase === 'connected') this.#reschedule();
  }

  setOverSoftLimit(isOver: boolean): void {
    this.#overSoftSinceMs = isOver ? this.#wheel.nowMs : 0;
    if (this.#phase === 'connected') this.#reschedule();
  }

  /**
   * After each read.
   * @param isUnfinished octets of a frame are held that is not whole yet
   * @param hasEnded a frame became whole in this read, so that the unfinished one is another
   */
  noteFrame(isUnfinished: boolean, hasEnded: boolean): void {
    if (!isUnfinished) {
      this.#frameSinceMs = 0;
      return;
    }
    if (this.#frameSinceMs > 0 && !hasEnded) return;
    // A wheel that holds nothing stands still, and so does its clock: the frame would have begun then.
    this.#wheel.touch();
    this.#frameSinceMs = this.#wheel.nowMs;
    // It is looked at when the entry is due, so a client that sends large frames costs no change of the wheel for each.
    const isPlanned = this.wheelSlot >= 0 && this.dueMs <= this.#frameSinceMs + this.#options.limits.frameTimeoutMs;
    if (this.#phase === 'connected' && !isPlanned) this.#reschedule();
  }

  /** The session has ended; its client is given `limits.lingerMs` to end as well. @param leastMs that time at least */
  linger(leastMs = 0): void {
    this.#phase = 'lingering';
    this.#wheel.touch();
    this.#lingerUntilMs = this.#wheel.nowMs + Math.max(leastMs, this.#options.limits.lingerMs);
    this.#wheel.cancel(this);
    this.#wheel.schedule(this, this.#lingerUntilMs);
  }

  /** The connection is gone. */
  stop(): void {
    this.#phase = 'over';
    this.#wheel.cancel(this);
  }

  onDue(nowMs: number): number {
    if (this.#phase === 'connected') return this.#onDueConnected(nowMs);
    if (this.#phase === 'lingering') {
      if (nowMs < this.#lingerUntilMs) return this.#lingerUntilMs;
      this.#owner.onLingerExpired();
      return 0;
    }
    const { connectTimeoutMs } = this.#options.limits;
    const deadlineMs = this.acceptedMs + connectTimeoutMs;
    if (nowMs < deadlineMs) return deadlineMs;
    if (this.#owner.awaitsTurn) return nowMs + BUSY_RETRY_MS;
    const what = this.#owner.isSuspended ? 'Authentication took longer than' : 'No CONNECT frame within';
    this.#owner.refuse(new BrokerError('connect-timeout', `${what} ${connectTimeoutMs} ms`));
    return this.dueMs;
  }

  #onDueConnected(nowMs: number): number {
    const { softLimitMs } = this.#options.outbox;
    if (this.#overSoftSinceMs > 0 && nowMs - this.#overSoftSinceMs >= softLimitMs) {
      this.#owner.onSoftLimitExceeded();
      return 0;
    }
    if (this.#isExpired(nowMs) || this.#isSilent(nowMs) || this.#isDragging(nowMs)) return this.dueMs;
    return this.#next(nowMs, this.#beat(nowMs));
  }

  /**
   * Sends a heart-beat when one is due. One message to everybody makes everybody's next one due at once: then some wait.
   * @returns when the next is due; 0 is never
   */
  #beat(nowMs: number): number {
    const { sendEveryMs } = this.#heartBeat;
    if (sendEveryMs === 0) return 0;
    const beatMs = this.#nextBeatMs();
    if (nowMs < beatMs) return beatMs;
    const hasWaited = this.dueMs > beatMs;
    const latestMs = this.#owner.lastWriteMs + sendEveryMs - HEART_BEAT_SLACK_MS;
    const waitMs = hasWaited ? 0 : this.#wheel.stagger(latestMs - nowMs);
    if (waitMs > 0) return nowMs + waitMs;
    this.#owner.sendHeartBeat(nowMs);
    return this.#nextBeatMs();
  }

  /** Told some time before, so that a client can renew; then refused. */
  #isExpired(nowMs: number): boolean {
    if (this.#expiresAtMs === 0) return false;
    const leftMs = this.#expiresAtMs - nowMs;
    if (leftMs <= 0) {
      this.#owner.refuse(new BrokerError('credentials-expired', 'The credentials of this session have expired'));
      return true;
    }
    if (!this.#isExpiryTold && nowMs >= this.#noticeDueMs) {
      this.#isExpiryTold = this.#owner.onCredentialsExpiring(leftMs);
      this.#noticeDueMs = nowMs + NOTICE_RETRY_MS;
    }
    return false;
  }

  #isSilent(nowMs: number): boolean {
    const { receiveEveryMs } = this.#heartBeat;
    // The time we did not read is not the client's silence (conformance C-31).
    if (this.#isUnread) this.lastReadMs = nowMs;
    const silenceMs = nowMs - this.lastReadMs;
    if (receiveEveryMs === 0 || silenceMs < receiveEveryMs * this.#options.heartBeat.tolerance) return false;
    const text = `Nothing received for ${Math.round(silenceMs)} ms, heart-beats are due every ${receiveEveryMs} ms`;
    this.#owner.refuse(new BrokerError('heart-beat-timeout', text));
    return true;
  }

  get #isUnread(): boolean {
    return this.#owner.isSuspended || this.#owner.isPaused;
  }

  #isDragging(nowMs: number): boolean {
    if (this.#frameSinceMs === 0) return false;
    if (this.#isUnread) this.#frameSinceMs = nowMs;
    const { frameTimeoutMs } = this.#options.limits;
    if (nowMs - this.#frameSinceMs < frameTimeoutMs) return false;
    const text = `A frame began ${Math.round(nowMs - this.#frameSinceMs)} ms ago, the limit is ${frameTimeoutMs} ms`;
    this.#owner.refuse(new BrokerError('frame-timeout', text));
    return true;
  }

  /** Early by a fifth, or by two ticks, but not by more than half. */
  #nextBeatMs(): number {
    const { sendEveryMs } = this.#heartBeat;
    const slack = Math.min(Math.max(sendEveryMs / 5, HEART_BEAT_SLACK_MS), sendEveryMs / 2);
    return this.#owner.lastWriteMs + sendEveryMs - slack;
  }

  /** @param beatMs when a heart-beat is due; 0 is never */
  #next(nowMs: number, beatMs: number): number {
    const { receiveEveryMs } = this.#heartBeat;
    let due = beatMs > 0 ? beatMs : Infinity;
    if (receiveEveryMs > 0) due = Math.min(due, this.lastReadMs + receiveEveryMs * this.#options.heartBeat.tolerance);
    if (this.#frameSinceMs > 0) due = Math.min(due, this.#frameSinceMs + this.#options.limits.frameTimeoutMs);
    if (this.#overSoftSinceMs > 0) due = Math.min(due, this.#overSoftSinceMs + this.#options.outbox.softLimitMs);
    if (this.#expiresAtMs > 0) {
      due = Math.min(due, this.#expiresAtMs, this.#isExpiryTold ? Infinity : this.#noticeDueMs);
    }
    return due === Infinity ? 0 : Math.max(due, nowMs + 1);
  }

  #reschedule(): void {
    this.#wheel.cancel(this);
    const dueMs = this.#next(this.#wheel.nowMs, this.#heartBeat.sendEveryMs > 0 ? this.#nextBeatMs() : 0);
    if (dueMs > 0) this.#wheel.schedule(this, dueMs);
  }
}
