/**
 * What a SockJS session received and the broker has not taken: HTTP requests cannot be paused, so strings wait here, and
 * the request that brought them is answered only when they are gone (DESIGN D8).
 */
import type { ConnectionListener } from '../../broker/ports.js';
import { codeUnitsToOctets, TextStream } from './text-octets.js';

interface Delivery {
  readonly messages: readonly string[];
  next: number;
  readonly onTaken: () => void;
}

export class InboundBuffer {
  readonly #maxBytes: number;
  readonly #stream: TextStream | null;
  #listener: ConnectionListener | null = null;
  #isPaused = true;
  #isDiscarding = false;
  #deliveries: Delivery[] = [];
  #heldUnits = 0;

  /** @param maxBytes more than this held refuses the next request; `text` as in SockJsOptions */
  constructor(maxBytes: number, text: 'utf-8' | 'code-units') {
    this.#maxBytes = maxBytes;
    this.#stream = text === 'utf-8' ? new TextStream() : null;
  }

  start(listener: ConnectionListener): void {
    this.#listener = listener;
    this.resume();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (this.#listener === null) return;
    this.#isPaused = false;
    this.#deliver();
  }

  /** Returns false, and takes nothing, when too much is held already; one request on its own always fits. */
  receive(messages: readonly string[], onTaken: () => void): boolean {
    if (this.#isDiscarding) {
      onTaken();
      return true;
    }
    if (this.#heldUnits > this.#maxBytes) return false;
    this.#deliveries.push({ messages, next: 0, onTaken });
    for (const message of messages) this.#heldUnits += message.length;
    if (!this.#isPaused) this.#deliver();
    return true;
  }

  /** From now on what comes is taken and dropped. */
  discard(): void {
    this.#isDiscarding = true;
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    this.#heldUnits = 0;
    for (const { onTaken } of deliveries) onTaken();
  }

  #deliver(): void {
    for (;;) {
      const delivery = this.#deliveries[0];
      if (delivery === undefined) return;
      while (delivery.next < delivery.messages.length) {
        if (this.#isPaused || this.#isDiscarding) return;
        const message = delivery.messages[delivery.next++] ?? '';
        this.#heldUnits -= message.length;
        const octets = this.#stream === null ? codeUnitsToOctets(message) : this.#stream.push(message);
        this.#listener?.onBytes(octets, false);
      }
      // The listener may have closed, and with that all of them are settled.
      if (this.#isDiscarding) return;
      this.#deliveries.shift();
      delivery.onTaken();
    }
  }
}
