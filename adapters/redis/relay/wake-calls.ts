/** Calls from node to node: who joins a channel asks those who are silent there to publish again, and waits for their word. */
import { createDeferred, type Deferred } from '../connection/deferred.js';

/** In front of the caller's tag and the channel. */
const CALL = 'w';
const ANSWER = 'a';
const TAG_DIGITS = 16;

export class WakeCalls {
  readonly #tag: string;
  readonly #send: (to: string, text: string) => void;
  readonly #waiting = new Map<string, Set<Deferred>>();

  /** @param tag of this node, 16 digits */
  constructor(tag: string, send: (to: string, text: string) => void) {
    this.#tag = tag;
    this.#send = send;
  }

  /** Resolves when that node has answered, if it does; `forget` gives up. */
  async call(other: string, channel: string): Promise<void> {
    const key = `${other}${channel}`;
    const answered = createDeferred();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(answered));
    this.#send(other, `${CALL}${this.#tag}${channel}`);
    await answered.promise;
  }

  /** @param wake what to do for a call, before it is answered */
  heard(text: string, wake: (channel: string) => void): void {
    const other = text.slice(1, 1 + TAG_DIGITS);
    const channel = text.slice(1 + TAG_DIGITS);
    if (text.startsWith(CALL)) {
      wake(channel);
      this.#send(other, `${ANSWER}${this.#tag}${channel}`);
    } else this.#answered(`${other}${channel}`);
  }

  /** Nobody waits for an answer any more. */
  forget(): void {
    for (const key of [...this.#waiting.keys()]) this.#answered(key);
  }

  #answered(key: string): void {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const { resolve } of waiting ?? []) resolve();
  }
}
