/** One client's connection in the worker that holds its socket: what it says goes to the broker as records. */
import type { Connection, ConnectionListener } from '../../broker/ports.js';

/** What a served connection tells the worker's end of the link. */
export interface ServedConnectionOwner {
  onData(served: ServedConnection, chunk: Buffer, endsMessage: boolean): void;
  onBufferedChange(served: ServedConnection): void;
  onEnded(served: ServedConnection): void;
  onGone(served: ServedConnection, cause: Error | undefined): void;
}

export class ServedConnection implements ConnectionListener {
  readonly number: number;
  readonly connection: Connection;
  /** The broker was told that something is buffered. */
  isToldBuffered = false;
  /** It is listed among those of whom the broker is to be told. */
  isListed = false;
  readonly #owner: ServedConnectionOwner;
  #isPausedByBroker = false;
  #isPausedByLink = false;
  /** Null: nobody waits for the broker's word that nothing is owed. */
  #answered: (() => void) | null = null;

  constructor(number: number, connection: Connection, owner: ServedConnectionOwner) {
    this.number = number;
    this.connection = connection;
    this.#owner = owner;
  }

  get isPausedByLink(): boolean {
    return this.#isPausedByLink;
  }

  onBytes(chunk: Buffer, endsMessage: boolean): void {
    this.#owner.onData(this, chunk, endsMessage);
  }

  onDrain(): void {
    this.#owner.onBufferedChange(this);
  }

  onEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#owner.onEnded(this);
    });
  }

  /** The broker owes the client nothing. */
  answered(): void {
    this.#answered?.();
    this.#answered = null;
  }

  onClose(cause?: Error): void {
    this.#owner.onGone(this, cause);
  }

  /** The broker works on a frame of this client's. */
  pauseByBroker(isPaused: boolean): void {
    this.#change(isPaused, this.#isPausedByLink);
  }

  /** More of the clients' octets are on their way to the broker than it deals with. */
  pauseByLink(isPaused: boolean): void {
    this.#change(this.#isPausedByBroker, isPaused);
  }

  #change(byBroker: boolean, byLink: boolean): void {
    const wasPaused = this.#isPausedByBroker || this.#isPausedByLink;
    this.#isPausedByBroker = byBroker;
    this.#isPausedByLink = byLink;
    const isPaused = byBroker || byLink;
    if (isPaused === wasPaused) return;
    if (isPaused) this.connection.pause();
    else this.connection.resume();
  }
}
