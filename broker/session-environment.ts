/** What all sessions of one broker share. One object, so that a session holds one reference. */
import type { FrameWriter } from './frame-writer.js';
import type { BrokerOptions } from './options.js';
import type { Authenticator, Clock, Logger } from './ports.js';
import type { Router } from './router.js';
import type { SessionRegistry } from './session-registry.js';
import type { BrokerStats } from './stats.js';
import type { TimerWheel } from './timer-wheel.js';

export interface SessionEnvironment {
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  readonly wheel: TimerWheel;
  readonly writer: FrameWriter;
  readonly router: Router;
  readonly registry: SessionRegistry;
  readonly stats: BrokerStats;
  /** What precedes the digits in this node's message-ids. */
  readonly messageIdPrefix: string;
  /** The log wants to see frames: all of them then take the strict path, where they are decoded anyway. */
  readonly tracesFrames: boolean;
  nextMessageId(): number;
  /** Unguessable, of letters, digits, `-` and `_` only: clients echo it unescaped (conformance A-26, DESIGN §6). */
  createId(): string;
}
