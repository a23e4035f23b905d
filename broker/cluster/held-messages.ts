/**
 * What this node has claimed of a queue that nodes share and that is not settled, by place. A place may be claimed anew: a
 * message is this node's as long as it is the very one that stands here.
 */
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { Condemned, SharedMessage } from '../ports.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';

/** A message that this node has claimed. */
export interface Claimed {
  readonly message: Message;
  /** How often it was, or may have been, delivered before. */
  readonly deliveryCount: number;
  /** Missing: it is for consumers. */
  readonly condemned?: Condemned | null;
}

export class HeldMessages {
  readonly #stream: string;
  readonly #journal: Journal;
  readonly #byPlace = new Map<number, Message>();

  constructor(stream: string, journal: Journal) {
    this.#stream = stream;
    this.#journal = journal;
  }

  get size(): number {
    return this.#byPlace.size;
  }

  get places(): readonly number[] {
    return [...this.#byPlace.keys()];
  }

  /** The store has given it to this node. */
  take({ place, priority, octets, expiresEpochMs, deliveryCount, condemned }: SharedMessage): Claimed {
    const message = decodeForeign(place, octets);
    this.#byPlace.set(place, message);
    message.terms = { priority, expiresEpochMs, notBeforeEpochMs: 0 };
    return { message, deliveryCount, condemned };
  }

  /** Claimed by this node, and not given up with it since. */
  has(message: Message): boolean {
    return this.#byPlace.get(message.id) === message;
  }

  /**
   * As `has`, of what a client settles. It may be others' by now: by itself that is late, in a transaction it is everything
   * that is refused. @throws BrokerError `message-gone`
   */
  hasStill(message: Message, { holdsBack }: WriteUnit): boolean {
    const isHeld = this.has(message);
    if (!isHeld && holdsBack) throw new BrokerError('message-gone', 'What the transaction settles is with others now');
    return isHeld;
  }

  /** The store has been told otherwise what became of it. */
  letGo(message: Message): void {
    if (this.has(message)) this.#byPlace.delete(message.id);
  }

  /** Consumed; nobody waits until the store has heard of it. */
  settle(message: Message): void {
    if (!this.has(message)) return;
    this.#byPlace.delete(message.id);
    this.#journal.owe({ kind: 'queue-settle', stream: this.#stream, place: message.id });
  }

  /** Not consumed: back in its place, now or when its time comes. */
  giveBack({ message, deliveryCount }: Claimed, notBeforeEpochMs: number): void {
    this.letGo(message);
    const place = message.id;
    this.#journal.owe({ kind: 'queue-return', stream: this.#stream, place, deliveryCount, notBeforeEpochMs });
  }

  /** To be given up later, by whatever node: until then it waits, and nobody is given it. */
  condemn({ message, deliveryCount }: Claimed, notBeforeEpochMs: number, condemned: Condemned): void {
    this.letGo(message);
    const back = { place: message.id, deliveryCount, notBeforeEpochMs };
    this.#journal.owe({ kind: 'queue-return', stream: this.#stream, ...back, condemned });
  }

  /** All of it is others'. */
  clear(): void {
    this.#byPlace.clear();
  }
}
