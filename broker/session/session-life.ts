/**
 * The states of one session and its ways out (DESIGN 11); the one place where an error ends it. Closing is orderly:
 * everything held is given back, what is queued is written, then the connection closes and the client has time to close too.
 * Cutting drops what is unsent. A connection that goes while a frame is in work leaves an orphan: what had arrived before is
 * still handled, then it is over.
 */
import { BrokerError } from '../errors.js';
import { SessionRefusals } from './session-refusals.js';
import { closeReason, type CloseCode } from '../close-reason.js';
import type { Frame } from '../../protocol/index.js';
import type { SessionDeadlines } from '../session-deadlines.js';
import type { OwnSession } from './own-session.js';
import type { SessionInput } from './session-input.js';

export type SessionState = 'awaiting-connect' | 'authenticating' | 'connected' | 'closing' | 'closed';

/** Whose life it is. */
export interface LifeOwner extends OwnSession {
  /** Gives back everything held. More than once, and nothing is held any more after the first. */
  release(): void;
  /** It is over: nobody is to know it any more. Once. @param cause a fault of the network */
  onOver(code: CloseCode, cause: Error | undefined): void;
}

export class SessionLife {
  readonly #owner: LifeOwner;
  readonly #input: SessionInput;
  readonly #deadlines: SessionDeadlines;
  /** Null until the first: most sessions are never refused anything. */
  #refusals: SessionRefusals | null = null;
  #state: SessionState = 'awaiting-connect';
  /** Set once: why the session ends. */
  #closeCode: CloseCode | null = null;
  /** The connection was told to close. */
  #hasEnded = false;
  /** The connection went while a handler was waiting. */
  #orphan: { readonly cause: Error | undefined } | null = null;

  constructor(owner: LifeOwner, input: SessionInput, deadlines: SessionDeadlines) {
    this.#owner = owner;
    this.#input = input;
    this.#deadlines = deadlines;
  }

  get state(): SessionState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed';
  }

  /** Towards CONNECTED. */
  enter(state: 'authenticating' | 'connected'): void {
    this.#state = state;
  }

  /** The client is told of an error; unless it may go on, the session ends. @param frame that it is about */
  refuse(error: unknown, frame?: Frame): void {
    if (!this.isOpen) return;
    const code = this.#refusing.tell(error, frame, this.#state === 'connected');
    if (code !== null) this.close(code);
  }

  /** Ends the session: nothing more is read or delivered; what is queued is written, then the connection closes. */
  close(code: CloseCode): void {
    if (!this.isOpen) return;
    this.#state = 'closing';
    this.#closeCode = code;
    this.#release();
    this.#input.readToEnd();
    if (this.#orphan !== null) {
      this.#finish(this.#orphan.cause);
      return;
    }
    // To cut it sooner than a stop does would reset its connection, and with it what it has not read: why it was closed.
    const { shutdown } = this.#owner.environment.options;
    this.#deadlines.linger(code === 'server-shutdown' ? shutdown.deadlineMs : 0);
    this.#owner.environment.clock.soon(() => {
      this.endIfWritten();
    });
  }

  /** Its client does not read: it is cut, with `queuedBytes` unsent. */
  endSlow(queuedBytes: number): void {
    if (this.#isEnding) return;
    this.#closeCode = 'slow-consumer';
    // Not now: a fan-out is walking the lists this session stands in. What is queued stays until then, for a queue's
    // messages in it go back to their queue.
    this.#owner.outbox.close(false);
    this.#owner.environment.budget.later(() => {
      const message = `${queuedBytes} octets wait for a client that does not read them`;
      this.#refusing.report({ code: 'slow-consumer', message });
      this.cut('slow-consumer');
    });
  }

  /** As `OperatedSession.endForMemory`. */
  endForMemory(heldBytes: number): void {
    if (this.#isEnding) return;
    const message = `The server is short of memory, and ${heldBytes} octets are held for this session`;
    const error = new BrokerError('memory-low', message);
    if (this.#orphan === null && this.#owner.connection.bufferedBytes === 0 && this.#owner.outbox.isEmpty) {
      // However refusals are told: it is ended.
      this.close(this.#refusing.tellLast(error));
      return;
    }
    // Behind what a client does not read an ERROR would not reach it, and what it was sent is what takes the memory.
    this.#refusing.report(error);
    this.cut('memory-low');
    // Nobody else would say that it is over.
    this.finishOrphan();
  }

  /** Drops what is unsent and ends the connection now. */
  cut(code: CloseCode): void {
    if (this.#state === 'closed') return;
    this.#closeCode ??= code;
    this.#release();
    this.#state = 'closing';
    this.#owner.outbox.close(true);
    this.#owner.connection.destroy(closeReason(code));
  }

  /** The connection closes when everything is written. */
  endIfWritten(): void {
    if (this.#state !== 'closing' || this.#hasEnded || this.#closeCode === null) return;
    this.#owner.environment.writer.flushNow(this.#owner.outbox);
    if (!this.#owner.outbox.isEmpty) return;
    this.#hasEnded = true;
    this.#owner.connection.close(closeReason(this.#closeCode));
  }

  /** As `ConnectionListener.onClose`. */
  onClose(cause: Error | undefined): void {
    if (this.#input.isSuspended) this.#owner.environment.invoker.abort(this.#owner.id);
    if (this.#input.isSuspended && this.isOpen) {
      // What a client sent before it left is still handled (STOMP 1.2, RECEIPT; conformance S-25, R-15).
      this.#orphan = { cause };
      this.#owner.outbox.close(false);
      return;
    }
    this.#finish(cause);
  }

  /** Nothing of an orphan is in work any more, or is to be waited for; of others it changes nothing. */
  finishOrphan(): void {
    if (this.#orphan !== null) this.#finish(this.#orphan.cause);
  }

  /** It is known why it ends, though it may be open until the turn is over. */
  get #isEnding(): boolean {
    return !this.isOpen || this.#closeCode !== null;
  }

  get #refusing(): SessionRefusals {
    return (this.#refusals ??= new SessionRefusals(this.#owner));
  }

  #finish(cause: Error | undefined): void {
    if (this.#state === 'closed') return;
    const { stats, wheel, logger } = this.#owner.environment;
    stats.countTransport(this.#owner.connection.transport, -1);
    if (cause !== undefined) stats.transportErrors++;
    this.#release();
    this.#state = 'closed';
    this.#owner.outbox.close(true);
    this.#input.drop();
    this.#deadlines.stop();
    const code = this.#closeCode ?? 'client-gone';
    this.#owner.onOver(code, cause);
    stats.closed[code]++;
    const durationMs = Math.round(wheel.nowMs - this.#deadlines.acceptedMs);
    logger.debug({ session: this.#owner.id, code, durationMs, cause: cause?.message }, 'closed');
  }

  #release(): void {
    // First, or what one subscription gives back would be dealt to the next one of this very session.
    this.#owner.outbox.close(false);
    this.#owner.release();
  }
}
