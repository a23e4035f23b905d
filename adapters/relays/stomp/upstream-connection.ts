/**
 * One STOMP connection to the external broker, from dialling to its end: CONNECT, heart-beats both ways, receipts. It ends
 * once and is not made anew (that is reconnector.ts); any ERROR ends it, as STOMP says, also where a broker would go on.
 */
import {
  formatHeartBeat,
  FrameParser,
  negotiateHeartBeat,
  parseHeartBeat,
  serializeFrame,
  type CommandName,
  type Frame,
  type HeartBeat,
  type StompVersion,
} from '../../../protocol/index.js';
import type { BrokerError } from '../../../broker/errors.js';
import type { Clock } from '../../../broker/ports.js';
import type { Dial, Pipe } from './pipe.js';
import {
  connectionClosed,
  describeRefusal,
  failedToConnect,
  refusedUpstream,
  transportFailure,
} from './relay-errors.js';

export interface UpstreamTerms {
  readonly login: string;
  readonly passcode: string;
  /** `host` of CONNECT; null leaves it out (Spring S11.2). */
  readonly virtualHost: string | null;
  readonly heartBeat: HeartBeat;
  /** From dialling to CONNECTED. */
  readonly connectTimeoutMs: number;
}

/** Why a connection is over. */
export interface UpstreamEnd {
  readonly error: BrokerError;
  /** The external broker said ERROR: something that was sent is to blame. */
  readonly isRefusal: boolean;
  /** CONNECTED had come. */
  readonly wasConnected: boolean;
}

export interface UpstreamListener {
  onConnected(connection: UpstreamConnection): void;
  onMessage(frame: Frame): void;
  /** Exactly once, unless `close` was called. */
  onEnd(end: UpstreamEnd): void;
}

export interface UpstreamPorts {
  readonly dial: Dial;
  readonly clock: Clock;
}

export type HeaderList = Iterable<readonly [string, string]>;

/** Silence of so many intervals is an end (Spring S11.10). */
const TOLERANCE = 3;
/** How often a heart-beat's interval is looked at. */
const LOOKS_PER_INTERVAL = 4;
/** How long a goodbye may take. */
const GOODBYE_MS = 5_000;
const LF = Buffer.from('\n');
/** An external broker may allow more than this server does. */
const LIMITS = { maxHeaders: 1_000, maxHeaderLineBytes: 64 * 1024, maxBodyBytes: 512 * 1024 * 1024 };

export class UpstreamConnection {
  readonly #listener: UpstreamListener;
  readonly #clock: Clock;
  readonly #pipe: Pipe;
  readonly #terms: UpstreamTerms;
  readonly #parser = new FrameParser({ sender: 'server', limits: LIMITS });
  /** By receipt id, in the order they were asked for. */
  readonly #receipts = new Map<string, () => void>();
  #lastReceipt = 0;
  #isConnected = false;
  #isOver = false;
  #isPaused = false;
  #lastReadMs: number;
  #lastWriteMs: number;
  /** Silent at the last look: a process that stood still looks before it reads. */
  #isSuspect = false;
  #stopTimer: (() => void) | null = null;

  constructor(terms: UpstreamTerms, listener: UpstreamListener, { dial, clock }: UpstreamPorts) {
    this.#terms = terms;
    this.#listener = listener;
    this.#clock = clock;
    this.#lastReadMs = this.#lastWriteMs = clock.nowMs();
    this.#stopTimer = clock.every(terms.connectTimeoutMs, () => {
      this.#end(failedToConnect(`no CONNECTED within ${terms.connectTimeoutMs} ms`), false);
    });
    this.#pipe = dial({
      onOpen: () => {
        this.#sayConnect();
      },
      onBytes: (chunk) => {
        this.#onBytes(chunk);
      },
      onClose: (cause) => {
        this.#onClose(cause);
      },
    });
  }

  get version(): StompVersion {
    return this.#parser.version;
  }

  /** Writes one frame. `content-length` is added where there is a body. */
  send(command: CommandName, headers: HeaderList, body: Buffer | null = null): void {
    const all = body === null ? headers : [...headers, ['content-length', String(body.length)] as const];
    this.write(serializeFrame(command, all, this.version, body ?? undefined));
  }

  /** Writes whole frames. */
  write(octets: Buffer): void {
    if (this.#isOver) return;
    this.#pipe.write(octets);
    this.#lastWriteMs = this.#clock.nowMs();
  }

  /** The header that asks for a receipt. @param onReceipt called when it has come; never, when the connection ends first */
  askReceipt(onReceipt: () => void): readonly [string, string] {
    const id = `hoofbeat-${++this.#lastReceipt}`;
    this.#receipts.set(id, onReceipt);
    return ['receipt', id];
  }

  /** Stops reading, and does not take the silence for an end. */
  pause(): void {
    this.#isPaused = true;
    this.#pipe.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#lastReadMs = this.#clock.nowMs();
    this.#pipe.resume();
  }

  /** Says goodbye: everything written before is still processed. The listener hears nothing any more. */
  close(): void {
    if (this.#isOver) return;
    if (!this.#isConnected) {
      this.#stop();
      this.#pipe.destroy();
      return;
    }
    const done = (): void => {
      this.#stopTimer?.();
      this.#stopTimer = null;
      this.#pipe.end();
    };
    this.send('DISCONNECT', [this.askReceipt(done)]);
    this.resume();
    this.#isOver = true;
    this.#stopTimer?.();
    this.#stopTimer = this.#clock.every(GOODBYE_MS, () => {
      this.#stop();
      this.#pipe.destroy();
    });
  }

  #sayConnect(): void {
    const { login, passcode, virtualHost, heartBeat } = this.#terms;
    this.send('CONNECT', [
      ['accept-version', '1.1,1.2'],
      ['login', login],
      ['passcode', passcode],
      ...(virtualHost === null ? [] : ([['host', virtualHost]] as const)),
      ['heart-beat', formatHeartBeat(heartBeat)],
    ]);
  }

  #onBytes(chunk: Buffer): void {
    this.#lastReadMs = this.#clock.nowMs();
    this.#isSuspect = false;
    try {
      this.#parser.push(chunk, (frame) => {
        this.#onFrame(frame);
      });
    } catch (error) {
      this.#end(transportFailure(error instanceof Error ? error.message : String(error)), false);
    }
  }

  #onFrame(frame: Frame): void {
    if (frame.command === 'RECEIPT') {
      const id = frame.headers.get('receipt-id') ?? '';
      const onReceipt = this.#receipts.get(id);
      this.#receipts.delete(id);
      onReceipt?.();
    } else if (this.#isOver) return;
    else if (frame.command === 'MESSAGE') this.#listener.onMessage(frame);
    else if (frame.command === 'CONNECTED') this.#onConnected(frame);
    else this.#onError(frame);
  }

  #onConnected({ headers }: Frame): void {
    if (this.#isConnected) return;
    const version = headers.get('version');
    this.#parser.version = version === '1.2' || version === '1.1' ? version : '1.0';
    this.#isConnected = true;
    this.#stopTimer?.();
    this.#stopTimer = null;
    // Seen from this side, where "server" of the negotiation is we ourselves.
    const agreed = negotiateHeartBeat(parseHeartBeat(headers.get('heart-beat')), this.#terms.heartBeat);
    const { sendEveryMs, receiveEveryMs } = agreed;
    const everyMs = Math.min(sendEveryMs || Infinity, receiveEveryMs || Infinity) / LOOKS_PER_INTERVAL;
    if (everyMs !== Infinity) {
      this.#stopTimer = this.#clock.every(everyMs, () => {
        this.#beat(sendEveryMs, receiveEveryMs, everyMs);
      });
    }
    this.#listener.onConnected(this);
  }

  #beat(sendEveryMs: number, receiveEveryMs: number, lookMs: number): void {
    const nowMs = this.#clock.nowMs();
    if (sendEveryMs > 0 && nowMs - this.#lastWriteMs + lookMs > sendEveryMs) this.write(LF);
    if (receiveEveryMs === 0 || this.#isPaused || nowMs - this.#lastReadMs <= TOLERANCE * receiveEveryMs) return;
    if (this.#isSuspect) this.#end(transportFailure('no heart-beat in time'), false);
    this.#isSuspect = true;
  }

  #onError(frame: Frame): void {
    const refusal = refusedUpstream(frame);
    if (this.#isConnected) this.#end(refusal, true);
    else this.#end(failedToConnect(describeRefusal(refusal)), true);
  }

  #onClose(cause: Error | undefined): void {
    if (this.#isOver) {
      this.#stop();
      return;
    }
    if (cause === undefined) {
      this.#end(this.#isConnected ? connectionClosed() : failedToConnect('the broker closed the connection'), false);
    } else {
      const { code } = cause as NodeJS.ErrnoException;
      // Node gathers what every address of a name answered, and leaves the message empty.
      const reason = cause.message === '' ? String(code) : cause.message;
      this.#end(this.#isConnected ? transportFailure(reason) : failedToConnect(reason), false);
    }
  }

  #end(error: BrokerError, isRefusal: boolean): void {
    if (this.#isOver) return;
    this.#stop();
    this.#pipe.destroy();
    this.#listener.onEnd({ error, isRefusal, wasConnected: this.#isConnected });
  }

  #stop(): void {
    this.#isOver = true;
    this.#receipts.clear();
    this.#stopTimer?.();
    this.#stopTimer = null;
  }
}
