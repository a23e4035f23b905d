/**
 * Empties a node before it goes, at a pace: no new connections, and so many sessions a second are told to go elsewhere
 * (WebSocket status 1001). Who is asked to go may settle first what it holds. The node goes on working for those that are
 * left; a drain by an operator can be called off.
 */
import type { CloseCode } from '../close-reason.js';
import type { Clock } from '../ports.js';

export interface DrainState {
  readonly isActive: boolean;
  /** 0: nobody is sent away. */
  readonly perSecond: number;
  /** Sessions that are still there. */
  readonly remaining: number;
}

/** How fast sessions are sent away. */
export interface DrainPace {
  readonly perSecond: number;
  /** How long one that was asked to go may take for its ACKs, transactions and RECEIPTs; 0: it goes at once. */
  readonly settleMs: number;
  /** After so long everybody that is left is told, however late the event loop was; default: never. */
  readonly toldWithinMs?: number;
}

interface Drained {
  /** Queues give it nothing more; what it sends is still taken. */
  retire(): void;
  /** There are deliveries without their ACK, open transactions, or RECEIPTs that it waits for. */
  readonly hasUnfinished: boolean;
  close(code: CloseCode): void;
}

const TICK_MS = 100;

export class Drain {
  readonly #clock: Clock;
  readonly #sessions: { readonly size: number; values(): Iterator<Drained> };
  readonly #settleMs: number;
  /** Asked to go, and until when they may take. */
  readonly #leaving = new Map<Drained, number>();
  #perSecond = 0;
  #isActive = false;
  #stop: (() => void) | null = null;
  /** Of a drain that somebody waits for. */
  #hurry: (() => void) | null = null;

  /** @param settleMs of drains that an operator starts */
  constructor(clock: Clock, sessions: { readonly size: number; values(): Iterator<Drained> }, settleMs: number) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#settleMs = settleMs;
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  get state(): DrainState {
    return { isActive: this.#isActive, perSecond: this.#perSecond, remaining: this.#sessions.size };
  }

  /** @param perSecond 0 only keeps new connections out. Again with another pace goes on at that one. */
  start(perSecond: number): void {
    this.#begin(perSecond);
    if (perSecond > 0) this.#walk({ perSecond, settleMs: this.#settleMs }, () => undefined);
  }

  /**
   * Sends everybody away, the first portion at once.
   * @param onEnd called when the last one was told to close, within this call if that is now
   */
  leave(pace: DrainPace, onEnd: () => void): void {
    this.#begin(pace.perSecond);
    const tick = this.#walk(pace, onEnd);
    this.#hurry = () => {
      this.#end();
      this.#leaving.clear();
      const sessions = this.#sessions.values();
      for (let next = sessions.next(); next.done !== true; next = sessions.next()) next.value.close('server-shutdown');
      onEnd();
    };
    tick();
  }

  /** A `leave` under way tells all that are left to close, now. */
  hurry(): void {
    this.#hurry?.();
  }

  /** Connections are taken again; those that were sent away are gone. */
  cancel(): void {
    this.#begin(0);
    this.#isActive = false;
  }

  #end(): void {
    this.#stop?.();
    this.#stop = this.#hurry = null;
  }

  #begin(perSecond: number): void {
    this.#end();
    this.#isActive = true;
    this.#perSecond = perSecond;
  }

  /** @returns what it does every tick */
  #walk({ perSecond, settleMs, toldWithinMs = Infinity }: DrainPace, onEnd: () => void): () => void {
    // Nobody comes in behind it, so one walk over all is enough.
    const sessions = this.#sessions.values();
    const startedMs = this.#clock.nowMs();
    let lastMs = startedMs;
    let due = 0;
    let isThrough = false;
    const tick = (): void => {
      const nowMs = this.#clock.nowMs();
      if (nowMs - startedMs >= toldWithinMs) {
        this.hurry();
        return;
      }
      const untilMs = nowMs + settleMs;
      // By the clock: on a machine that is busy ticks are late, and the deadline is not.
      due += (perSecond * Math.max(TICK_MS, nowMs - lastMs)) / 1_000;
      lastMs = nowMs;
      for (; due >= 1 && !isThrough; due--) {
        const next = sessions.next();
        isThrough = next.done === true;
        if (next.done !== true) this.#ask(next.value, settleMs === 0 ? 0 : untilMs);
      }
      this.#closeSettled();
      if (!isThrough || this.#leaving.size > 0) return;
      this.#end();
      onEnd();
    };
    this.#stop = this.#clock.every(TICK_MS, tick);
    return tick;
  }

  #ask(session: Drained, untilMs: number): void {
    if (untilMs > 0) session.retire();
    if (untilMs > 0 && session.hasUnfinished) this.#leaving.set(session, untilMs);
    else session.close('server-shutdown');
  }

  #closeSettled(): void {
    const nowMs = this.#clock.nowMs();
    for (const [session, untilMs] of this.#leaving) {
      if (session.hasUnfinished && nowMs < untilMs) continue;
      this.#leaving.delete(session);
      session.close('server-shutdown');
    }
  }
}
