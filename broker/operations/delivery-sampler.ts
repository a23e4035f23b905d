/**
 * Looks at one in so many outboxes on their way out: how long its first message took, and how much waited in it. Messages
 * carry no time for that: noted is which number was the first of each turn of the event loop, so a message costs nothing and
 * a turn one look at the clock.
 */
import { Message } from '../message.js';
import type { Outbox } from '../outbox.js';
import type { Clock } from '../ports.js';

export interface DeliveryObserver {
  /** From when a message was taken on until it was with the transport, in ms; its time in a queue included. */
  onDelivered(tookMs: number): void;
  /** Octets that waited for one connection when it was about to be written to. */
  onOutbox(queuedBytes: number): void;
}

/** One in 64: some nanoseconds for each of them, and still thousands a second under load. */
const EVERY_MASK = 63;
/** Turns that are remembered, of 1 ms and more each: what is older than all of them is not counted. */
const TURNS = 8_192;
const MIN_TURN_MS = 1;

export class DeliverySampler {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #lastNumber: () => number;
  readonly #observer: DeliveryObserver;
  /** Rings: number of a turn's first message, and when that was. */
  readonly #numbers = new Float64Array(TURNS);
  readonly #times = new Float64Array(TURNS);
  #turns = 0;
  #seen = 0;
  #takenMs = 0;

  /** @param lastNumber of the messages taken on so far */
  constructor(clock: Pick<Clock, 'nowMs'>, lastNumber: () => number, observer: DeliveryObserver) {
    this.#clock = clock;
    this.#lastNumber = lastNumber;
    this.#observer = observer;
  }

  /** The first message of a turn is on its way. */
  beginTurn(): void {
    const nowMs = this.#clock.nowMs();
    const last = (this.#turns + TURNS - 1) % TURNS;
    if (this.#turns > 0 && nowMs - (this.#times[last] as number) < MIN_TURN_MS) return;
    this.#numbers[this.#turns % TURNS] = this.#lastNumber();
    this.#times[this.#turns % TURNS] = nowMs;
    this.#turns++;
  }

  /** Before an outbox is written out. @returns whether `end` is to be called afterwards */
  begin(outbox: Outbox): boolean {
    if ((++this.#seen & EVERY_MASK) !== 0) return false;
    this.#observer.onOutbox(outbox.queuedBytes);
    const head = outbox.peekHead();
    if (head === undefined || head === null) return false;
    const message = outbox.peekPayload();
    if (!(message instanceof Message)) return false;
    this.#takenMs = this.#timeOf(message.id);
    return this.#takenMs > 0;
  }

  /** The outbox has been written out. */
  end(): void {
    this.#observer.onDelivered(this.#clock.nowMs() - this.#takenMs);
  }

  /** When the turn of a message began; 0 when that is forgotten. */
  #timeOf(number: number): number {
    const oldest = Math.max(0, this.#turns - TURNS);
    let low = oldest;
    let high = this.#turns;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle % TURNS] as number) <= number) low = middle + 1;
      else high = middle;
    }
    return low === oldest ? 0 : (this.#times[(low - 1) % TURNS] as number);
  }
}
