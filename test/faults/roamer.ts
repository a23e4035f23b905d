/** A light client that is always on some node: when its connection is gone it comes back, to the next address of its list. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerFrame } from '../helpers/server-frames.js';
import { LoadClient } from '../crash/load-client.js';

export interface RoamerParts {
  /** Of all nodes. */
  readonly ports: readonly number[];
  /** Which of them is the first; after that each in turn. */
  readonly first: number;
  readonly reconnectDelayMs: number;
  /** Of CONNECT. */
  readonly headers?: Readonly<Record<string, string>>;
  /** After each CONNECTED. */
  readonly onUp?: (client: LoadClient) => void;
  readonly onMessage?: (message: ServerFrame, client: LoadClient) => void;
  readonly onFault: (text: string) => void;
}

export class Roamer {
  readonly #parts: RoamerParts;
  #client: LoadClient | null = null;
  #turn: number;
  #isOver = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(parts: RoamerParts) {
    this.#parts = parts;
    this.#turn = parts.first;
  }

  /** Null while it is on its way. */
  get client(): LoadClient | null {
    return this.#client?.hasEnded === false ? this.#client : null;
  }

  /** Resolves when it is connected for the first time. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#ended = this.#roam(resolve);
    });
  }

  /** Leaves for good, in an orderly way. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.client?.leave();
    await this.#ended;
  }

  async #roam(onFirst: () => void): Promise<void> {
    const { ports, headers = {}, onUp, onMessage, onFault } = this.#parts;
    while (!this.#isOver) {
      const port = ports[this.#turn++ % ports.length] ?? 0;
      let own: LoadClient | null = null;
      const events = {
        onFault,
        onEnd: () => undefined,
        onMessage: (message: ServerFrame) => {
          if (own !== null) onMessage?.(message, own);
        },
      };
      own = await LoadClient.open(port, events, headers);
      this.#client = own;
      if (!own.hasEnded) {
        onUp?.(own);
        onFirst();
        await own.closed;
      }
      this.#client = null;
      await this.#wait();
    }
  }

  #wait(): Promise<void> {
    return this.#isOver ? Promise.resolve() : delay(this.#parts.reconnectDelayMs);
  }
}
