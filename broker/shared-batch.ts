/**
 * What was written last, for the next outbox of the turn. Subscribers of one topic mostly wait for the same messages under
 * the same subscription ids (every page of an application numbers its subscriptions alike), so the octets built for one
 * of them are the octets of the next: compared by reference, written again, not built again.
 */
import type { DeliveryHead } from './delivery.js';
import type { Message } from './message.js';
import type { Framing } from './ports.js';
import type { StompVersion } from '../protocol/index.js';

/** Compared with the batch; heads of equal octets are one Buffer (message-heads.ts). */
export type BatchHead = Buffer | null;

const HEART_BEAT_BYTES = 1;

export class SharedBatch {
  readonly heads: BatchHead[] = [];
  readonly payloads: (Message | Buffer)[] = [];
  /** Entries recorded. */
  size = 0;
  /** Frames among them, heart-beats not counted. */
  frames = 0;
  /** Null until sealed: nothing to share. */
  octets: Buffer | null = null;
  #framing: Framing | null = null;
  #version: StompVersion = '1.2';
  #isShareable = false;

  /** Another batch begins. */
  begin(): void {
    this.size = this.frames = 0;
    this.octets = null;
    this.#isShareable = true;
  }

  /** One entry of it, in order. */
  add(head: DeliveryHead | null, payload: Message | Buffer): void {
    if (head !== null) {
      // Its ack id is nobody else's.
      if (head.extra !== null) this.#isShareable = false;
      this.frames++;
    } else if ((payload as Buffer).length > HEART_BEAT_BYTES) this.frames++;
    const at = this.size++;
    this.heads[at] = head === null ? null : head.head;
    this.payloads[at] = payload;
  }

  /** It cannot be shared: it did not become one piece of memory. */
  spoil(): void {
    this.#isShareable = false;
  }

  /** It is whole: its octets, in memory that nobody writes to before the next `begin`. */
  seal(octets: Buffer, framing: Framing, version: StompVersion): void {
    if (!this.#isShareable) return;
    this.octets = octets;
    this.#framing = framing;
    this.#version = version;
  }

  /** Whether octets for this kind of connection are what it holds. */
  fits(framing: Framing, version: StompVersion): boolean {
    return this.octets !== null && this.#framing === framing && this.#version === version;
  }

  /** Keeps nothing alive beyond the turn. */
  release(): void {
    this.begin();
    this.heads.length = this.payloads.length = 0;
  }
}
