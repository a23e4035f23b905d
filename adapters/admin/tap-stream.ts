/**
 * A tap as lines of JSON, for as long as somebody reads them. Who reads too slowly is told how many frames went by; nothing
 * piles up for them.
 */
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import type { BrokerOperations, TapFilter, TappedFrame } from '../../broker/index.js';
import type { Clock } from '../../broker/ports.js';

export interface TapStreamOptions {
  readonly filter: TapFilter;
  /** Of a body, at most. */
  readonly bodyBytes: number;
  /** Ends after so many frames; null: only when the reader goes. */
  readonly count: number | null;
}

/** So often a line is written when there is nothing to say: proxies cut what is silent, most of them after a minute. */
const IDLE_MS = 15_000;
const BUFFER_BYTES = 1024 * 1024;

export class TapStream extends Readable {
  readonly #options: TapStreamOptions;
  readonly #clock: Clock;
  readonly #stops: (() => void)[] = [];
  #number = 0;
  #missed = 0;
  #saidSomething = true;
  #isBehind = false;
  #hasEnded = false;

  /** @throws BrokerError `destination-invalid` */
  constructor(operations: BrokerOperations, clock: Clock, first: object, options: TapStreamOptions) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#options = options;
    this.#clock = clock;
    this.#stops.push(
      operations.tapFrames(options.filter, {
        onFrame: (frame) => {
          this.#show(frame);
        },
        onMissed: () => {
          this.#missed++;
        },
      }),
      clock.every(1_000, () => {
        this.#tellMissed();
      }),
      clock.every(IDLE_MS, () => {
        if (!this.#saidSomething) this.#line({ type: 'idle' });
        this.#saidSomething = false;
      }),
    );
    this.#line({ type: 'tap', ...first });
  }

  override _read(): void {
    this.#isBehind = false;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const stop of this.#stops.splice(0)) stop();
    done(error);
  }

  #show({ sessionId, body, ...frame }: TappedFrame): void {
    if (this.#hasEnded) return;
    if (this.#isBehind) {
      this.#missed++;
      return;
    }
    this.#tellMissed();
    const { bodyBytes, count } = this.#options;
    const shown = cutText(body, bodyBytes);
    this.#line({
      type: 'frame',
      number: ++this.#number,
      at: new Date(this.#clock.epochMs()).toISOString(),
      session: sessionId,
      ...frame,
      body: shown === null ? body.toString('base64', 0, bodyBytes) : shown,
      encoding: shown === null ? 'base64' : 'utf8',
      bodyBytes: body.length,
      isCut: body.length > bodyBytes,
    });
    if (this.#number === count) this.#end();
  }

  #tellMissed(): void {
    if (this.#missed === 0 || this.#isBehind) return;
    const count = this.#missed;
    this.#missed = 0;
    this.#line({ type: 'missed', count });
  }

  #end(): void {
    this.#hasEnded = true;
    this.push(null);
  }

  #line(line: object): void {
    if (this.#hasEnded || this.destroyed) return;
    this.#saidSomething = true;
    this.#isBehind = !this.push(`${JSON.stringify(line)}\n`);
  }
}

/** Null for what is no text. A character that was cut in two is left out. */
function cutText(body: Buffer, maxBytes: number): string | null {
  if (body.length <= maxBytes) return isUtf8(body) ? body.toString() : null;
  let end = maxBytes;
  while (end > 0 && ((body[end] as number) & 0xc0) === 0x80) end--;
  const part = body.subarray(0, end);
  return isUtf8(part) ? part.toString() : null;
}
