/**
 * What a session has received and not taken on yet, and why: a frame's handler waits for something, an earlier frame is still
 * taking effect, publishers have nowhere to send, the turn of the event loop has been long enough. Meanwhile its connection
 * is not read from, and what had arrived stays in order.
 */
import type { Frame, FrameParser, RawFrameSink } from '../../protocol/index.js';
import type { PublisherHold } from '../publisher-hold.js';
import type { SessionDeadlines } from '../session-deadlines.js';
import type { OwnSession } from './own-session.js';

/** Whose input it is. */
export interface InputOwner extends OwnSession {
  /** Frames are still taken. */
  readonly isOpen: boolean;
  /** A frame, or what it led to, has failed. @param frame missing: no whole one could be read */
  refuse(error: unknown, frame?: Frame): void;
  /** Nothing waits any more, and the connection is read from unless it is retired. */
  onInputResumed(): void;
}

/** What frames before the next one have left behind. */
export interface OngoingWork {
  /** Of what is still taking effect: resolves when it has; undefined: nothing is. */
  readonly rest: Promise<void> | undefined;
  /** Octets in open transactions. */
  readonly transactionBytes: number;
  /** Something was delivered that is not acknowledged. */
  readonly awaitsAcks: boolean;
}

export interface InputParts {
  readonly parser: FrameParser;
  /** Takes the frames. */
  readonly intake: RawFrameSink;
  readonly work: OngoingWork;
  readonly deadlines: SessionDeadlines;
}

/** No other command is that long. */
const LARGE_FRAME_BYTES = 64 * 1024;

export class SessionInput {
  /** What arrives is held back. */
  isSuspended = false;
  /** For nothing but the turns of others. */
  awaitsTurn = false;
  readonly #owner: InputOwner;
  readonly #parser: FrameParser;
  readonly #intake: RawFrameSink;
  readonly #work: OngoingWork;
  readonly #deadlines: SessionDeadlines;
  /** Null while there is none. */
  #backlog: { readonly chunk: Buffer; readonly endsMessage: boolean }[] | null = null;
  /** It was asked to go and holds nothing: it is not read from until it is closed. */
  #isRetired = false;
  /** It has sent messages: where they have nowhere to go, it is not read from. */
  #isPublisher = false;
  /** Though publishers wait for memory, what it has sent is read once: it acknowledges messages too. */
  #maySip = false;

  constructor(owner: InputOwner, { parser, intake, work, deadlines }: InputParts) {
    this.#owner = owner;
    this.#parser = parser;
    this.#intake = intake;
    this.#work = work;
    this.#deadlines = deadlines;
  }

  /** Its client was asked to go, and is not read from. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Octets that wait, and those of a frame that is not whole. */
  get heldBytes(): number {
    let bytes = this.#parser.heldBytes;
    for (const { chunk } of this.#backlog ?? []) bytes += chunk.length;
    return bytes;
  }

  /** As `ConnectionListener.onBytes`. */
  take(chunk: Buffer, endsMessage: boolean): void {
    const { wheel, budget } = this.#owner.environment;
    this.#deadlines.lastReadMs = wheel.nowMs;
    if (this.isSuspended || this.#isHeldUp() || (budget.isOver && this.#owner.isOpen)) {
      (this.#backlog ??= []).push({ chunk, endsMessage });
      if (!this.isSuspended) this.waitForTurn();
      return;
    }
    if (this.#owner.isOpen) this.#parse(chunk, endsMessage);
  }

  /** Frames behind `frame` wait, and so does the client's socket, until `pending` settles. */
  suspendFor(pending: Promise<void>, frame?: Frame): void {
    this.isSuspended = true;
    this.#owner.connection.pause();
    pending.then(
      () => {
        this.#goOn();
      },
      (error: unknown) => {
        this.#owner.refuse(error, frame);
        this.#goOn();
      },
    );
  }

  /** Frames behind this one have kept everybody else waiting for long enough. */
  waitForTurn(): void {
    this.isSuspended = this.awaitsTurn = true;
    this.#owner.connection.pause();
    this.#owner.environment.budget.wait(() => {
      this.#goOn();
    });
  }

  /** Nothing more is read, as long as it is open. */
  retire(): void {
    this.#isRetired = true;
    this.#owner.connection.pause();
  }

  /** It closes: nothing more is taken on, but the client's end would not be seen behind what it has sent. */
  readToEnd(): void {
    if (this.#isRetired && !this.isSuspended) this.#owner.connection.resume();
  }

  /** The connection is gone. */
  drop(): void {
    this.#backlog = null;
  }

  /**
   * An earlier frame is still taking effect; or a node that stood still beyond its lease first asks what it missed; or what
   * publishers send has nowhere to go.
   */
  #isHeldUp(): boolean {
    const { guard, hold } = this.#owner.environment;
    const { rest } = this.#work;
    if (rest !== undefined && this.#owner.isOpen) {
      this.suspendFor(rest);
      return true;
    }
    if (guard === null || !this.#owner.isOpen) return this.#isHeld(hold);
    const late = guard.caughtUp();
    if (late === undefined) return this.#isHeld(hold);
    this.suspendFor(late);
    return true;
  }

  #isHeld(hold: PublisherHold | null): boolean {
    if (hold === null || !this.#makesWork() || !hold.isOn || !this.#owner.isOpen) return false;
    const isConsumer = hold.isForMemory && this.#work.awaitsAcks;
    if (isConsumer && this.#maySip) {
      this.#maySip = false;
      return false;
    }
    const released = hold.released(isConsumer);
    this.suspendFor(
      released.then(() => {
        this.#maySip = isConsumer;
      }),
    );
    return true;
  }

  /** A frame that has grown so large already is a SEND. */
  #makesWork(): boolean {
    return this.#isPublisher || this.#parser.heldBytes >= LARGE_FRAME_BYTES;
  }

  #parse(chunk: Buffer, endsMessage: boolean): void {
    let consumed = chunk.length;
    const { stats, hold, budget } = this.#owner.environment;
    budget.begin();
    const before = stats.messagesIn;
    const framesBefore = stats.framesIn;
    try {
      consumed = this.#parser.pushRaw(chunk, this.#intake, endsMessage);
    } catch (error) {
      this.#owner.refuse(error);
    }
    this.#deadlines.noteFrame(this.#parser.heldBytes > 0, stats.framesIn > framesBefore);
    if (hold !== null) {
      // A transaction in which nothing is sent fills nothing.
      if (stats.messagesIn !== before || this.#work.transactionBytes > 0) this.#isPublisher = true;
      if (!this.isSuspended) this.#isHeld(hold);
    }
    if (consumed === chunk.length || !this.isSuspended) return;
    (this.#backlog ??= []).unshift({ chunk: chunk.subarray(consumed), endsMessage });
  }

  #goOn(): void {
    this.isSuspended = this.awaitsTurn = false;
    this.#deadlines.lastReadMs = this.#owner.environment.wheel.nowMs;
    // First: a transport that holds more may hand it over within `resume`, and it stands behind what waits here.
    this.#drainBacklog();
    if (!this.isSuspended && !(this.#isRetired && this.#owner.isOpen)) this.#owner.connection.resume();
    if (!this.isSuspended) this.#owner.onInputResumed();
  }

  #drainBacklog(): void {
    while (this.#backlog !== null && !this.isSuspended && this.#owner.isOpen && !this.#isHeldUp()) {
      const next = this.#backlog.shift();
      if (this.#backlog.length === 0) this.#backlog = null;
      if (next !== undefined) this.#parse(next.chunk, next.endsMessage);
    }
  }
}
