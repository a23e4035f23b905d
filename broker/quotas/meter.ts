/** What one session, user, address or destination has used of what it may. Shared by all sessions that it is about. */
import type { RateOptions } from './quota-options.js';
import { Rate } from './rate.js';

export class Meter {
  readonly #messages: Rate | null;
  readonly #bytes: Rate | null;
  /** Open now, on this node. */
  connections = 0;
  /** Part of the rates that is this node's: the others have the rest. */
  share = 1;
  /** Asked for since it was last looked at, refused or not. */
  wanted = 0;
  /** As configured; 0: any number. */
  readonly messagesPerSecond: number;

  constructor({ messagesPerSecond, messageBurst, bytesPerSecond, byteBurst }: RateOptions) {
    this.messagesPerSecond = messagesPerSecond;
    this.#messages = messagesPerSecond > 0 ? new Rate(messagesPerSecond, messageBurst) : null;
    this.#bytes = bytesPerSecond > 0 ? new Rate(bytesPerSecond, byteBurst) : null;
  }

  /** Whether anything but connections is measured. */
  get hasRate(): boolean {
    return this.#messages !== null || this.#bytes !== null;
  }

  /** From then on, without a connection, it says nothing. */
  get freeAtMs(): number {
    return Math.max(this.#messages?.freeAtMs ?? 0, this.#bytes?.freeAtMs ?? 0);
  }

  /** How long a frame of so many octets has to wait; 0: it may pass. */
  waitMs(bytes: number, nowMs: number): number {
    this.wanted++;
    return Math.max(
      this.#messages?.waitMs(1, nowMs, this.share) ?? 0,
      this.#bytes?.waitMs(bytes, nowMs, this.share) ?? 0,
    );
  }

  /** The frame passes. @returns how long the next has to wait when that is asked of it */
  take(bytes: number, nowMs: number): number {
    return Math.max(this.#messages?.take(1, nowMs, this.share) ?? 0, this.#bytes?.take(bytes, nowMs, this.share) ?? 0);
  }
}
