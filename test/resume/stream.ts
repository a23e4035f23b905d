/**
 * What all taking part know: where the broker listens, which message is the last, and how far the stream has come. Whoever
 * was cut comes back when it has come so far.
 */
import type { Ports } from './link.js';

export class Stream {
  readonly topic = '/topic/stream';
  /** Messages are numbered from 1 to this; their number is their body, and while nothing is restarted their offset. */
  readonly messages: number;
  /** What the topic keeps. */
  readonly maxMessages: number;
  /** The newest message that was receipted. */
  published = 0;
  /** Things that should not be, first of all kinds first. */
  readonly faults: string[] = [];
  #ports: Promise<Ports>;
  #waiting: { readonly number: number; readonly goOn: () => void }[] = [];

  constructor(messages: number, maxMessages: number, ports: Ports) {
    this.messages = messages;
    this.maxMessages = maxMessages;
    this.#ports = Promise.resolve(ports);
  }

  /** Resolves once the broker listens. */
  get ports(): Promise<Ports> {
    return this.#ports;
  }

  /** The broker is not there until then. */
  restarting(ports: Promise<Ports>): void {
    this.#ports = ports;
  }

  fault(text: string): void {
    this.faults.push(text);
  }

  onPublished(number: number): void {
    this.published = number;
    const isEnd = number >= this.messages;
    const due = this.#waiting.filter((entry) => isEnd || entry.number <= number);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((entry) => !due.includes(entry));
    for (const { goOn } of due) goOn();
  }

  /** Resolves once that message was published; the last one at the latest. */
  reached(number: number): Promise<void> {
    if (this.published >= Math.min(number, this.messages)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ number, goOn: resolve }));
  }
}
