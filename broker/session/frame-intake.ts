/**
 * What becomes of each frame of one session: measured, relayed as it stands when nothing has to be asked about it, otherwise
 * decoded, shown to whoever looks, and handed to its command. The hot path (DESIGN 1): a plain SEND makes no object but its
 * Message.
 */
import { Command, type Frame, type FrameParser, type RawFrame, type RawFrameSink } from '../../protocol/index.js';
import { traceFrame } from '../frame-trace.js';
import { Message } from '../message.js';
import { isTraced } from '../trace-headers.js';
import { PLAIN_FRAME_UNITS, workload, WORTH_A_LOOK } from '../turn-budget.js';
import type { AccessControl } from '../access-control.js';
import type { SessionEnvironment } from '../session-environment.js';
import type { OwnSession } from './own-session.js';
import { PlainRoutes } from './plain-routes.js';
import type { SessionRates } from './session-rates.js';

/** Whose frames they are. */
export interface IntakeOwner extends OwnSession {
  readonly isOpen: boolean;
  readonly isSuspended: boolean;
  /** Does what a frame asks for; a promise when frames behind it have to wait. @throws ProtocolError, BrokerError */
  dispatch(frame: Frame): void | Promise<void>;
  /** @param frame missing: a plain one */
  refuse(error: unknown, frame?: Frame): void;
  /** Frames behind `frame` wait. */
  suspendFor(pending: Promise<void>, frame?: Frame): void;
  /** They wait for a later turn of the event loop. */
  waitForTurn(): void;
}

export interface IntakeParts {
  readonly parser: FrameParser;
  /** Null: nothing is measured. */
  readonly rates: SessionRates | null;
  /** Null when there are no rules. */
  readonly access: AccessControl | null;
}

export class FrameIntake implements RawFrameSink {
  /** Before CONNECTED nothing is plain, and after the end. */
  isConnected = false;
  readonly #owner: IntakeOwner;
  readonly #parser: FrameParser;
  readonly #rates: SessionRates | null;
  readonly #access: AccessControl | null;
  readonly #environment: SessionEnvironment;
  #isStrict = false;
  /** Null until the first plain SEND: most sessions send none. */
  #routes: PlainRoutes | null = null;

  constructor(owner: IntakeOwner, { parser, rates, access }: IntakeParts) {
    this.#owner = owner;
    this.#parser = parser;
    this.#rates = rates;
    this.#access = access;
    this.#environment = owner.environment;
  }

  /** From now on the strict path decides about every SEND. */
  beStrict(): void {
    this.#isStrict = true;
  }

  /** What was allowed may be otherwise now, or nothing is sent any more. */
  forget(): void {
    this.#routes = null;
  }

  onRawFrame(raw: RawFrame): boolean {
    const { stats, budget } = this.#environment;
    stats.framesIn++;
    const rates = this.#rates;
    const goesOn = rates !== null && this.isConnected ? this.#measure(raw, rates) : this.#take(raw);
    if (!goesOn || !budget.isSpent()) return goesOn;
    this.#owner.waitForTurn();
    return false;
  }

  #measure(raw: RawFrame, rates: SessionRates): boolean {
    let waitMs: number;
    try {
      waitMs = rates.count(raw);
    } catch (error) {
      this.#owner.refuse(error, raw.decode(this.#parser.version));
      return this.#owner.isOpen;
    }
    const goesOn = this.#take(raw);
    if (waitMs === 0 || !goesOn) return goesOn;
    this.#owner.suspendFor(rates.overstep(waitMs));
    return false;
  }

  #take(raw: RawFrame): boolean {
    workload.units += PLAIN_FRAME_UNITS;
    const { version } = this.#parser;
    const isPlainSend = raw.command === Command.SEND && raw.isPlain && raw.destinationStart >= 0;
    if (isPlainSend && this.isConnected && !this.#isStrict && version !== '1.0' && !this.#environment.decodesAll) {
      if (this.#environment.tracing === null || !isTraced(raw)) return this.#sendPlain(raw);
    }
    return this.#receive(raw.decode(version));
  }

  /** A SEND that asks for nothing but to be relayed. Every rule it skips is about headers it has not got. */
  #sendPlain(raw: RawFrame): boolean {
    try {
      const route = (this.#routes ??= new PlainRoutes(this.#access, this.#environment)).of(raw);
      if (route === null) return this.#receive(raw.decode(this.#parser.version));
      const { router } = this.#environment;
      router.publish(route, Message.fromPlain(this.#environment.nextMessageId(), raw), null);
      return true;
    } catch (error) {
      this.#owner.refuse(error);
      return false;
    }
  }

  /** @returns whether the parser may go on */
  #receive(frame: Frame): boolean {
    workload.units += WORTH_A_LOOK;
    const { logger, tracesFrames, interceptors, stats, tap } = this.#environment;
    const owner = this.#owner;
    if (frame.command === 'CONNECT' || frame.command === 'STOMP') stats.connectFrames++;
    if (tap !== null) tap.received(owner, frame);
    if (tracesFrames) logger.debug({ session: owner.id, frame: traceFrame(frame) }, 'frame received');
    if (interceptors.inbound === null) return this.#handle(frame, () => owner.dispatch(frame));
    return this.#handle(frame, () => {
      const passed = interceptors.applyInbound(frame, owner);
      if (passed instanceof Promise) return passed.then((next) => (next === null ? undefined : owner.dispatch(next)));
      return passed === null ? undefined : owner.dispatch(passed);
    });
  }

  #handle(frame: Frame, work: () => void | Promise<void>): boolean {
    try {
      const pending = work();
      if (pending !== undefined) this.#owner.suspendFor(pending, frame);
    } catch (error) {
      this.#owner.refuse(error, frame);
    }
    return this.#owner.isOpen && !this.#owner.isSuspended;
  }
}
