/**
 * One wheel for all deadlines of all sessions: CONNECT in time, heart-beats, lingering, slow consumers (DESIGN P8).
 * An entry stands in one slot; moving its deadline later costs nothing (it is looked at when its slot comes), moving it
 * earlier is O(1). Also keeps the coarse clock that the hot path reads.
 */
import type { Clock } from './ports.js';

/** Something with one deadline. The fields belong to the wheel but for `onDue`. */
export interface WheelEntry {
  /** When to be called, by the wheel's clock; 0 when in no slot. */
  dueMs: number;
  wheelSlot: number;
  wheelIndex: number;
  /** Called at or after `dueMs`; returns the next deadline, or 0 for none. */
  onDue(nowMs: number): number;
}

/** Fine enough for heart-beats of 100 ms; one interval of this length is the whole cost of an idle node. */
const TICK_MS = 50;
const SLOTS = 1024;
/** What `stagger` lets happen in one tick: a write costs about 6 µs, so these are some 3 ms. */
const PER_TICK = 500;
/** A tick this late means that the process stood still: what clients sent meanwhile has not been read yet. */
const STALL_TICKS = 2;

export class TimerWheel {
  /** Coarse: set at each tick and each turn that reads or writes. Good to about one tick. */
  nowMs: number;
  readonly #clock: Clock;
  readonly #slots: WheelEntry[][] = Array.from({ length: SLOTS }, () => []);
  #tick: number;
  #stop: (() => void) | null = null;
  #size = 0;
  #isCatchingUp = false;
  /** Calls of `stagger` in this tick. */
  #staggered = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.nowMs = clock.nowMs();
    this.#tick = Math.floor(this.nowMs / TICK_MS);
  }

  /** Entries waiting. */
  get size(): number {
    return this.#size;
  }

  /** Once per turn of the event loop, before the turn's work. */
  touch(): void {
    this.nowMs = this.#clock.nowMs();
  }

  /** Sets or moves the deadline of `entry`. */
  schedule(entry: WheelEntry, dueMs: number): void {
    if (entry.wheelSlot >= 0) {
      const isLater = dueMs >= entry.dueMs;
      entry.dueMs = dueMs;
      if (isLater) return;
      this.#take(entry);
    }
    entry.dueMs = dueMs;
    // First: a wheel that stood still does not know which tick is next.
    this.#stop ??= this.#start();
    this.#put(entry);
  }

  cancel(entry: WheelEntry): void {
    if (entry.wheelSlot >= 0) this.#take(entry);
    entry.dueMs = 0;
  }

  /**
   * For entries whose work does not suit all of them at once: how long this one should wait with it, in ms. 0 for the first
   * of a tick; the others are spread over the window, so that what a hundred thousand do at the same time stalls nobody.
   * @param windowMs the longest wait
   */
  stagger(windowMs: number): number {
    const ticks = Math.floor(windowMs / TICK_MS) + 1;
    return ticks > 1 ? (Math.floor(this.#staggered++ / PER_TICK) % ticks) * TICK_MS : 0;
  }

  #start(): () => void {
    this.touch();
    this.#tick = Math.floor(this.nowMs / TICK_MS);
    return this.#clock.every(TICK_MS, () => {
      this.#advance();
    });
  }

  #put(entry: WheelEntry): void {
    // A deadline in the past is due at the next tick, not at the next round.
    const tick = Math.max(Math.ceil(entry.dueMs / TICK_MS), this.#tick + 1);
    const slot = tick % SLOTS;
    const entries = this.#slots[slot] as WheelEntry[];
    entry.wheelSlot = slot;
    entry.wheelIndex = entries.length;
    entries.push(entry);
    this.#size++;
  }

  #take(entry: WheelEntry): void {
    const entries = this.#slots[entry.wheelSlot] as WheelEntry[];
    const last = entries.pop() as WheelEntry;
    if (last !== entry) {
      entries[entry.wheelIndex] = last;
      last.wheelIndex = entry.wheelIndex;
    }
    entry.wheelSlot = -1;
    this.#size--;
  }

  #advance(): void {
    this.touch();
    const until = Math.floor(this.nowMs / TICK_MS);
    // Timers run before sockets are read: without one turn for these, a stall would look like the silence of everybody.
    this.#isCatchingUp = !this.#isCatchingUp && until - this.#tick > STALL_TICKS;
    if (this.#isCatchingUp) return;
    // After a long stall one round visits every slot; more rounds would find nothing new.
    this.#tick = Math.max(this.#tick, until - SLOTS);
    while (this.#tick < until) {
      this.#tick++;
      this.#fire(this.#tick % SLOTS);
    }
    if (this.#size === 0 && this.#stop !== null) {
      this.#stop();
      this.#stop = null;
    }
  }

  #fire(slot: number): void {
    const entries = this.#slots[slot] as WheelEntry[];
    this.#staggered = 0;
    if (entries.length === 0) return;
    // What is put back may land in this very slot, one round later: so the slot is emptied first.
    this.#slots[slot] = [];
    this.#size -= entries.length;
    for (const entry of entries) entry.wheelSlot = -1;
    for (const entry of entries) {
      // Taken out, or moved, by the work of an entry before it.
      if (entry.dueMs === 0 || entry.wheelSlot >= 0) continue;
      if (entry.dueMs <= this.nowMs) entry.dueMs = entry.onDue(this.nowMs);
      if (entry.dueMs > 0 && entry.wheelSlot < 0) this.#put(entry);
    }
  }
}
