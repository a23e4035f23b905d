/**
 * Publishes the stream over TCP, each message with its RECEIPT. When the broker is killed it goes on behind the last RECEIPT;
 * what was stored without one has been seen by its key.
 */
import { header } from '../helpers/server-frames.js';
import { openLink, type Link } from './link.js';
import type { Stream } from './stream.js';
import type { Subscriber } from './subscriber.js';

/** Messages without RECEIPT at a time. */
const WINDOW = 50;
/** How far it may be ahead of the subscriber it watches: the test is about clients that are cut, not ones too slow. */
const AHEAD = 100;

export class Publisher {
  /** Resolves when everything is receipted. */
  readonly done: Promise<void>;
  readonly #stream: Stream;
  readonly #watched: Subscriber;
  #sent = 0;
  #link: Link | null = null;
  #isConnected = false;
  #isDone: () => void = () => undefined;

  /** @param watched one that is never cut and wants everything */
  constructor(stream: Stream, watched: Subscriber) {
    this.#stream = stream;
    this.#watched = watched;
    this.done = new Promise((resolve) => (this.#isDone = resolve));
    void this.#connect();
  }

  /** The watched subscriber has come further. */
  goOn(): void {
    const { messages, topic, published } = this.#stream;
    if (!this.#isConnected) return;
    const most = Math.min(messages, published + WINDOW, this.#watched.last + AHEAD);
    while (this.#sent < most) {
      const number = ++this.#sent;
      const receipt = String(number);
      const groups = { n2: String(number % 2), n3: String(number % 3) };
      this.#link?.send('SEND', { destination: topic, receipt, 'message-key': receipt, ...groups }, receipt);
    }
  }

  leave(): void {
    this.#link?.cut();
  }

  async #connect(): Promise<void> {
    const ports = await this.#stream.ports;
    this.#isConnected = false;
    this.#link = openLink('tcp', ports, {
      onFrame: (frame) => {
        if (frame.command === 'CONNECTED') {
          this.#isConnected = true;
          this.#sent = this.#stream.published;
        } else if (frame.command === 'RECEIPT') this.#onReceipt(Number(header(frame, 'receipt-id')));
        else this.#stream.fault(`publisher: ${frame.command} ${header(frame, 'message') ?? ''}`);
        this.goOn();
      },
      onEnd: () => void this.#connect(),
    });
  }

  #onReceipt(number: number): void {
    if (number !== this.#stream.published + 1) this.#stream.fault(`publisher: RECEIPT of ${number} out of turn`);
    this.#stream.onPublished(number);
    if (number === this.#stream.messages) this.#isDone();
  }
}
