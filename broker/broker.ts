/** One node: takes connections from transports, makes sessions of them, and owns what they share. */
import { randomBytes } from 'node:crypto';
import { closeReason } from './close-reason.js';
import { FrameWriter } from './frame-writer.js';
import { resolveBrokerOptions, type BrokerOptions } from './options.js';
import { Router } from './router.js';
import { Session } from './session.js';
import { SessionRegistry } from './session-registry.js';
import { BrokerStats } from './stats.js';
import { TimerWheel } from './timer-wheel.js';
import type { CloseCode } from './close-reason.js';
import type { Partially } from './options.js';
import type { Authenticator, Clock, Connection, ConnectionListener, Logger } from './ports.js';
import type { SessionEnvironment } from './session-environment.js';

export interface BrokerPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
}

/** What the broker counts, at one moment. */
export interface StatsSnapshot {
  readonly connections: { readonly current: number; readonly total: number; readonly refused: number };
  readonly subscriptions: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly messagesIn: number;
  readonly messagesDropped: number;
  readonly errorsSent: number;
  /** Connections ended since start, by reason. */
  readonly closed: Readonly<Record<CloseCode, number>>;
}

export class Broker {
  readonly options: BrokerOptions;
  readonly #environment: SessionEnvironment;
  #isAccepting = false;

  /** @throws BrokerError `invalid-option` */
  constructor(options: Partially<BrokerOptions>, ports: BrokerPorts) {
    const resolved = resolveBrokerOptions(options);
    this.options = resolved;
    const stats = new BrokerStats();
    const wheel = new TimerWheel(ports.clock);
    const registry = new SessionRegistry();
    const router = new Router(resolved, stats, (subscription) => {
      registry.get(subscription.sessionId)?.onSlowConsumer(subscription.outbox.queuedBytes);
    });
    const nodeId = resolved.nodeId === '' ? createId(6) : resolved.nodeId;
    let lastMessageId = 0;
    this.#environment = {
      ...ports,
      options: resolved,
      wheel,
      writer: new FrameWriter(ports.clock, wheel),
      router,
      registry,
      stats,
      messageIdPrefix: `${nodeId}-`,
      tracesFrames: ports.logger.level === 'debug' || ports.logger.level === 'trace',
      nextMessageId: () => ++lastMessageId,
      createId: () => createId(16),
    };
  }

  start(): Promise<void> {
    this.#isAccepting = true;
    return Promise.resolve();
  }

  /** A transport's new connection. Null when the node is full, not started, or stopping. */
  accept(connection: Connection): ConnectionListener | null {
    const { registry, stats, options, wheel, logger } = this.#environment;
    stats.connectionsTotal++;
    if (!this.#isAccepting || registry.size >= options.limits.maxConnections) {
      stats.connectionsRefused++;
      const code = this.#isAccepting ? 'limit-exceeded' : 'server-shutdown';
      logger.warn({ code, remoteAddress: connection.remoteAddress, transport: connection.transport }, 'connection refused');
      return null;
    }
    wheel.touch();
    const session = new Session(createId(16), connection, this.#environment);
    registry.add(session);
    return session;
  }

  stats(): StatsSnapshot {
    const { stats, registry, writer } = this.#environment;
    return {
      connections: { current: registry.size, total: stats.connectionsTotal, refused: stats.connectionsRefused },
      subscriptions: stats.subscriptions,
      framesIn: stats.framesIn,
      framesOut: writer.framesOut,
      messagesIn: stats.messagesIn,
      messagesDropped: stats.messagesDropped,
      errorsSent: stats.errorsSent,
      closed: { ...stats.closed },
    };
  }

  /**
   * Ends every session: what is queued is written, WebSockets close with 1001. Resolves when all connections are gone;
   * those that have not closed by `deadlineMs` are cut.
   */
  async stop(deadlineMs = 5_000): Promise<void> {
    this.#isAccepting = false;
    const { clock, registry } = this.#environment;
    for (const session of registry.values()) session.close('server-shutdown');
    const untilMs = clock.nowMs() + deadlineMs;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (registry.size > 0 && clock.nowMs() < untilMs) return;
        stop();
        resolve();
      };
      const stop = clock.every(10, check);
    });
    for (const session of registry.values()) session.connection.destroy(closeReason('server-shutdown'));
  }
}

function createId(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
