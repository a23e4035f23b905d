/**
 * References → octets → one write per connection and turn (DESIGN P3). All frames of a connection are built in one
 * arena shared by all; when the system took everything at once, the same memory serves the next connection.
 * Bodies too large to copy leave beside it, uncopied.
 */
import type { Clock, Connection, Framing } from './ports.js';
import type { Message } from './message.js';
import type { FlushScheduler, Outbox } from './outbox.js';
import { DirtyOutboxes } from './dirty-outboxes.js';
import { SharedBatch } from './shared-batch.js';
import type { DeliveryHead } from './delivery.js';
import type { DeliverySampler } from './operations/delivery-sampler.js';
import type { TimerWheel } from './timer-wheel.js';

const ARENA_BYTES = 1024 * 1024;
/** A piece of the arena is handed over when it has grown to this: the most a socket takes at once without a queue. */
const WRITE_BYTES = 64 * 1024;
/**
 * Tails above this go out uncopied; below it a copy is cheaper than a writev for each, and serves all who get the same
 * (bench/DESIGN.md, the hot path).
 */
const UNCOPIED_BYTES = 48 * 1024;

export class FrameWriter implements FlushScheduler {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
  /** The arena is free from here on; what lies before belongs to connections that have not sent it yet. */
  #base = 0;
  /** What was built last, and where it ends in which arena. */
  readonly #batch = new SharedBatch();
  #batchArena = this.#arena;
  #batchEnd = 0;
  readonly #dirty: DirtyOutboxes;
  #isScheduled = false;
  /** Null: nobody wants to know how long deliveries take. */
  sampler: DeliverySampler | null = null;
  /** Whether somebody sees frames on their way out: outbound interceptors, or a tap. */
  interceptsOutbound = false;
  /** Frames written since start, heart-beats not counted. */
  framesOut = 0;

  /** @param budgetMs how long one turn writes before everybody is read from again; 1 or more */
  constructor(clock: Clock, wheel: TimerWheel, budgetMs: number) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#dirty = new DirtyOutboxes(clock, budgetMs);
  }

  markDirty(outbox: Outbox): void {
    this.#dirty.add(outbox);
    if (!this.#isScheduled) this.#schedule();
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.sampler?.beginTurn();
    this.#clock.soon(this.#flushAll);
  }

  /** Writes out dirty outboxes, as many as the turn allows; what becomes dirty meanwhile waits for the next one. */
  readonly #flushAll = (): void => {
    this.#isScheduled = false;
    this.#wheel.touch();
    const isMore = this.#dirty.write(this.#wheel.nowMs, this.#flushDirty);
    this.#batch.release();
    if (isMore && !this.#isScheduled) this.#schedule();
  };

  readonly #flushDirty = (outbox: Outbox): void => {
    outbox.isDirty = false;
    this.flushNow(outbox);
    outbox.settleAfterFlush();
  };

  /** Writes what the outbox holds, as far as the transport takes it. */
  flushNow(outbox: Outbox): void {
    if (outbox.isEmpty) return;
    const isSampled = this.sampler?.begin(outbox) === true;
    if (isBackedUp(outbox)) return;
    if (this.#batch.octets !== null && outbox.isAlike(this.#batch)) this.#writeAgain(outbox, this.#batch.octets);
    else this.#build(outbox);
    outbox.lastWriteMs = this.#wheel.nowMs;
    if (isSampled) this.sampler?.end();
  }

  #build(outbox: Outbox): void {
    const { framing, connection } = outbox;
    const batch = this.#batch;
    batch.begin();
    let at = this.#base;
    for (let head = outbox.peekHead(); head !== undefined; head = outbox.peekHead()) {
      if (at - this.#base >= WRITE_BYTES) {
        at = this.#hand(connection, at);
        if (isBackedUp(outbox)) break;
      }
      const payload = outbox.peekPayload();
      batch.add(head, payload);
      if (head === null) {
        if (this.interceptsOutbound) outbox.watchControl(payload as Buffer);
        at = this.#writeControl(connection, framing, payload as Buffer, at);
      } else if (this.interceptsOutbound) at = this.#writeIntercepted(outbox, head, payload as Message, at);
      else at = this.#writeMessage(outbox, head, payload as Message, at);
      outbox.shift();
    }
    this.framesOut += batch.frames;
    if (at === this.#base) return;
    const octets = this.#arena.subarray(this.#base, at);
    connection.write(octets);
    batch.seal(octets, framing, outbox.version);
    this.#batchArena = this.#arena;
    this.#batchEnd = at;
    this.#taken(connection, at);
  }

  /** The octets built last, for one more connection: they stay where they are until both have sent them. */
  #writeAgain(outbox: Outbox, octets: Buffer): void {
    const { connection } = outbox;
    connection.write(octets);
    outbox.shiftAll();
    this.framesOut += this.#batch.frames;
    if (this.#batchArena === this.#arena && this.#batchEnd > this.#base) this.#taken(connection, this.#batchEnd);
  }
  #writeControl(connection: Connection, framing: Framing, frame: Buffer, start: number): number {
    // An entry that gave way.
    if (frame.length === 0) return start;
    const octets = framing.encode === null ? frame : framing.encode(frame);
    let at = this.#reserve(connection, start, octets.length + framing.maxOverheadBytes);
    at = framing.open(this.#arena, at, octets.length, true);
    this.#arena.set(octets, at);
    return framing.close(this.#arena, at + octets.length);
  }

  /** Seen only now, on its way out: until then a queue could still have it back. */
  #writeIntercepted(outbox: Outbox, head: DeliveryHead, message: Message, at: number): number {
    this.#batch.spoil();
    const passed = outbox.intercept(head, message);
    if (passed === null) return at;
    if (Buffer.isBuffer(passed)) return this.#writeControl(outbox.connection, outbox.framing, passed, at);
    return this.#writeMessage(outbox, head, passed, at);
  }

  #writeMessage(outbox: Outbox, delivery: DeliveryHead, message: Message, start: number): number {
    const { framing, connection } = outbox;
    const tail = message.tail(outbox.version, framing.encode);
    const tailBytes = tail.length;
    const { head, extra } = delivery;
    const digits = message.idDigits;
    const headBytes = head.length + digits.length + (extra === null ? 0 : extra.length);
    const isUncopied = tailBytes > UNCOPIED_BYTES && framing.splittable;
    const needed = framing.maxOverheadBytes + headBytes + (isUncopied ? 0 : tailBytes);
    let at = this.#reserve(connection, start, needed);
    const arena = this.#arena;
    // A framing that adds nothing cannot tell text from binary, so nobody need look.
    const isText = framing.maxOverheadBytes === 0 || framing.encode !== null || message.isText;
    at = framing.open(arena, at, headBytes + tailBytes, isText);
    arena.set(head, at);
    at += head.length;
    for (let k = 0; k < digits.length; k++) arena[at++] = digits.charCodeAt(k);
    if (extra !== null) {
      arena.set(extra, at);
      at += extra.length;
    }
    if (isUncopied) return this.#writeUncopied(connection, framing, tail, at);
    arena.set(tail, at);
    return framing.close(arena, at + tailBytes);
  }

  /** Everything so far, then the tail as it lies, in one writev. */
  #writeUncopied(connection: Connection, framing: Framing, tail: Buffer, at: number): number {
    this.#batch.spoil();
    connection.cork();
    connection.write(this.#arena.subarray(this.#base, at));
    connection.write(tail);
    const end = framing.close(this.#arena, at);
    if (end > at) connection.write(this.#arena.subarray(at, end));
    connection.uncork();
    return this.#taken(connection, end);
  }

  /** Makes room for `bytes` at `at`; hands over what is there first when the arena has to be changed. */
  #reserve(connection: Connection, at: number, bytes: number): number {
    if (at + bytes <= this.#arena.length) return at;
    if (at > this.#base) this.#hand(connection, at);
    if (this.#base + bytes > this.#arena.length) {
      // An outsized frame gets an arena of its size, which is dropped after it.
      this.#arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes));
      this.#base = 0;
    }
    return this.#base;
  }

  /** In the middle of what an outbox holds. */
  #hand(connection: Connection, at: number): number {
    this.#batch.spoil();
    connection.write(this.#arena.subarray(this.#base, at));
    return this.#taken(connection, at);
  }

  /** With nothing buffered, or a copy of it, the memory is ours again; else it is the connection's until sent. */
  #taken(connection: Connection, end: number): number {
    if (connection.bufferedBytes > 0 && connection.holdsMemory !== false) this.#base = end;
    if (this.#arena.length > ARENA_BYTES || this.#arena.length - this.#base < 2 * WRITE_BYTES) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
      this.#base = 0;
    }
    return this.#base;
  }
}

/** Asked anew after each write: what was handed over may have filled the transport. */
function isBackedUp(outbox: Outbox): boolean {
  return !outbox.canWrite;
}
