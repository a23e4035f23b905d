/**
 * Frames as they come and go, shown to operators who ask for them: the incoming ones before anything else has seen them,
 * the outgoing ones in the moment they are written. What is secret is masked. While nobody taps there is no FrameTap.
 */
import { FrameParser, Headers, type CommandName, type Frame } from '../../protocol/index.js';
import { deliveryHeaders } from '../application/outbound-channel.js';
import type { SessionHandle } from '../application/session-handle.js';
import type { DeliveryHead } from '../delivery.js';
import { isPattern } from '../destinations/pattern.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { maskFrame } from '../frame-trace.js';
import type { Message } from '../message.js';
import type { Clock } from '../ports.js';

/** What is not named is not asked about. */
export interface TapFilter {
  readonly sessionId?: string | undefined;
  readonly user?: string | undefined;
  /** Exactly, or a pattern as of SUBSCRIBE; frames without a destination are then not meant. */
  readonly destination?: string | undefined;
  readonly commands?: ReadonlySet<CommandName> | undefined;
  readonly direction?: 'in' | 'out' | undefined;
  /** What is more is counted, not shown, and not even decoded. */
  readonly perSecond: number;
}

export interface TappedFrame {
  /** `in`: from the client. */
  readonly direction: 'in' | 'out';
  readonly sessionId: string;
  /** Null: anonymous, or not known yet. */
  readonly user: string | null;
  readonly transport: string;
  readonly command: CommandName;
  /** In the order of the frame; what is secret masked. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Good within the call alone. */
  readonly body: Buffer;
}

export interface TapListener {
  onFrame(frame: TappedFrame): void;
  /** One more that was meant went by unseen. */
  onMissed(): void;
}

type Direction = TappedFrame['direction'];
type TappedSession = Pick<SessionHandle, 'id' | 'user' | 'transport' | 'version'>;

const WINDOW_MS = 1_000;
/** Frames of the server's own hand: nothing of them is to be refused here. */
const LIMITS = { maxHeaders: 100_000, maxHeaderLineBytes: 1024 * 1024 * 1024, maxBodyBytes: 1024 * 1024 * 1024 };

export class FrameTap {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #separator: string;
  readonly #messageIdPrefix: string;
  readonly #taps = new Set<Tap>();

  /** @param separator of destinations */
  constructor(clock: Pick<Clock, 'nowMs'>, separator: string, messageIdPrefix: string) {
    this.#clock = clock;
    this.#separator = separator;
    this.#messageIdPrefix = messageIdPrefix;
  }

  get size(): number {
    return this.#taps.size;
  }

  /** @throws BrokerError `destination-invalid` for a pattern that cannot be compiled */
  add(filter: TapFilter, listener: TapListener): () => void {
    const tap = new Tap(filter, listener, this.#separator, this.#clock);
    this.#taps.add(tap);
    return () => {
      this.#taps.delete(tap);
    };
  }

  received(session: TappedSession, frame: Frame): void {
    for (const tap of this.#taps) {
      if (tap.means(session, 'in', frame.command, () => frame.headers.get('destination'))) {
        tap.show(session, 'in', frame);
      }
    }
  }

  /** A delivery on its way out. */
  delivered(session: TappedSession, head: DeliveryHead, message: Message): void {
    let frame: Frame | null = null;
    for (const tap of this.#taps) {
      if (!tap.means(session, 'out', 'MESSAGE', () => message.headerMap().get('destination'))) continue;
      frame ??= this.#frameOf(head, message);
      tap.show(session, 'out', frame);
    }
  }

  /** A whole frame on its way out, or a heart-beat, which is none. */
  sent(session: TappedSession, octets: Buffer): void {
    if (octets.length < 2) return;
    const parser = new FrameParser({ sender: 'server', version: session.version, limits: LIMITS });
    parser.push(octets, (frame) => {
      for (const tap of this.#taps) {
        if (tap.means(session, 'out', frame.command, () => frame.headers.get('destination'))) {
          tap.show(session, 'out', frame);
        }
      }
    });
  }

  #frameOf(head: DeliveryHead, message: Message): Frame {
    const { headers: relayed, body } = message.decode();
    const headers = new Headers(deliveryHeaders(head, message, this.#messageIdPrefix));
    for (const [name, value] of relayed) headers.append(name, value);
    return { command: 'MESSAGE', headers, body };
  }
}

class Tap {
  readonly #filter: TapFilter;
  readonly #listener: TapListener;
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** Null: no pattern. */
  readonly #pattern: SubscriptionIndex<true> | null;
  #windowBeganMs = -WINDOW_MS;
  #shown = 0;

  constructor(filter: TapFilter, listener: TapListener, separator: string, clock: Pick<Clock, 'nowMs'>) {
    this.#filter = filter;
    this.#listener = listener;
    this.#clock = clock;
    const { destination } = filter;
    this.#pattern = null;
    if (destination !== undefined && isPattern(destination)) {
      this.#pattern = new SubscriptionIndex<true>(separator);
      this.#pattern.add(destination, true);
    }
  }

  /** Whether to show it: it is asked for, and there were not too many. */
  means(
    session: TappedSession,
    direction: Direction,
    command: CommandName,
    destination: () => string | undefined,
  ): boolean {
    const { sessionId, user, commands, direction: wanted, destination: named } = this.#filter;
    if (wanted !== undefined && wanted !== direction) return false;
    if (sessionId !== undefined && sessionId !== session.id) return false;
    if (user !== undefined && user !== session.user?.name) return false;
    if (commands?.has(command) === false) return false;
    if (named !== undefined && !this.#covers(destination())) return false;
    if (this.#mayShow()) return true;
    this.#listener.onMissed();
    return false;
  }

  show(session: TappedSession, direction: Direction, frame: Frame): void {
    this.#listener.onFrame({
      direction,
      sessionId: session.id,
      user: session.user?.name ?? null,
      transport: session.transport,
      command: frame.command,
      ...maskFrame(frame),
    });
  }

  #covers(destination: string | undefined): boolean {
    if (destination === undefined) return false;
    return this.#pattern === null
      ? destination === this.#filter.destination
      : this.#pattern.groups(destination).length > 0;
  }

  #mayShow(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) {
      this.#windowBeganMs = nowMs;
      this.#shown = 0;
    }
    return this.#shown++ < this.#filter.perSecond;
  }
}
