/** What all sessions of one broker share. One object, so that a session holds one reference. */
import type { FrameWriter } from './frame-writer.js';
import type { BrokerOptions } from './options.js';
import type { HandlerInvoker } from './application/handler-invoker.js';
import type { OutboundChannel } from './application/outbound-channel.js';
import type { Interceptors } from './application/interceptors.js';
import type { SessionEvents } from './application/session-events.js';
import type { UserRegistry } from './application/user-registry.js';
import type { SharedClientIds } from './cluster/client-ids.js';
import type { LeaseGuard } from './cluster/lease-guard.js';
import type { MemoryGuard } from './memory/memory-guard.js';
import type { MessageHeads } from './message-heads.js';
import type { MessageKeys } from './message-keys.js';
import type { MessagePublisher } from './message-publisher.js';
import type { Authenticator, Authorizer, Clock, Logger, Tracing } from './ports.js';
import type { PublisherHold } from './publisher-hold.js';
import type { Quotas } from './quotas/quotas.js';
import type { Router } from './router.js';
import type { Journal } from './storage/journal.js';
import type { FrameTap } from './operations/frame-tap.js';
import type { OperatedSession } from './operations/operated-session.js';
import type { SessionRegistry } from './session-registry.js';
import type { BrokerStats } from './stats.js';
import type { TimerWheel } from './timer-wheel.js';
import type { TurnBudget } from './turn-budget.js';

export interface SessionEnvironment {
  readonly options: BrokerOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  /** Null when there are no rules: everything is allowed and nothing is asked. */
  readonly authorizer: Authorizer | null;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  /** Which messages were sent before. */
  readonly keys: MessageKeys;
  readonly quotas: Quotas;
  /** Null: there are no other nodes, and nobody watches memory. */
  readonly hold: PublisherHold | null;
  /** Null: nobody watches it. */
  readonly memory: MemoryGuard | null;
  /** Null: there are no other nodes. */
  readonly guard: LeaseGuard | null;
  /** Null: client-ids are this node's own. */
  readonly clientIds: SharedClientIds | null;
  readonly budget: TurnBudget;
  readonly heads: MessageHeads;
  readonly publisher: MessagePublisher;
  readonly invoker: HandlerInvoker;
  readonly users: UserRegistry;
  readonly interceptors: Interceptors;
  readonly outbound: OutboundChannel;
  readonly events: SessionEvents;
  readonly wheel: TimerWheel;
  readonly writer: FrameWriter;
  readonly router: Router;
  readonly registry: SessionRegistry<OperatedSession>;
  readonly stats: BrokerStats;
  /** What precedes the digits in this node's message-ids. */
  readonly messageIdPrefix: string;
  /** The log wants to see frames. */
  tracesFrames: boolean;
  /** Null: nobody follows messages. */
  readonly tracing: Tracing | null;
  /** Null: no operator looks at frames. */
  tap: FrameTap | null;
  /** Somebody wants to see every frame or message decoded, log, tap or interceptor: none then takes the plain path. */
  decodesAll: boolean;
  nextMessageId(): number;
  /** Unguessable, of letters, digits, `-` and `_` only: clients echo it unescaped (conformance A-26, DESIGN §6). */
  createId(): string;
}
