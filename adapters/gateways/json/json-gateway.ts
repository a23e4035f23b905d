/**
 * An endpoint whose clients speak JSON messages of the application's own over WebSocket or SockJS. Each has an ordinary
 * session; a mapping says what its messages mean.
 */
import type { Server } from 'node:http';
import { BrokerError } from '../../../broker/errors.js';
import type { Connection, ConnectionListener, Handshake } from '../../../broker/ports.js';
import { attachEndpoints, type AttachedEndpoints, type Refusal } from '../../transports/index.js';
import type { Gateway, GatewayHost } from '../gateway.js';
import { DEFAULT_JSON_GATEWAY_OPTIONS, type JsonGatewayOptions, resolveJsonGatewayOptions } from './json-options.js';
import { type JsonCounts, JsonSession } from './json-session.js';

const CHECK_INTERVAL_MS = 1_000;
const NO_HEADERS: ReadonlyMap<string, string> = new Map();

export interface JsonGatewayStats {
  readonly connections: number;
  /** Since start. */
  readonly totalConnections: number;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  readonly refused: number;
  /** Open ones with errors that are not forgotten yet. */
  readonly connectionsWithErrors: number;
}

export class JsonGateway implements Gateway {
  readonly #options: JsonGatewayOptions;
  readonly #sessions = new Set<JsonSession>();
  /** Those whose client is to say who it is. */
  readonly #unknown = new WeakSet<Handshake>();
  readonly #counts: JsonCounts = { received: 0, sent: 0, refused: 0 };
  #total = 0;

  constructor(options: JsonGatewayOptions) {
    this.#options = options;
  }

  get stats(): JsonGatewayStats {
    return {
      connections: this.#sessions.size,
      totalConnections: this.#total,
      messagesReceived: this.#counts.received,
      messagesSent: this.#counts.sent,
      refused: this.#counts.refused,
      connectionsWithErrors: [...this.#sessions].filter(({ errorCount }) => errorCount > 0).length,
    };
  }

  attach(server: Server, host: GatewayHost): AttachedEndpoints {
    const { paths, sockjs, maxMessageBytes = DEFAULT_JSON_GATEWAY_OPTIONS.maxMessageBytes, ...rest } = this.#options;
    const endpoints = Object.entries(paths).map(([path, withSockJs]) => ({
      ...rest,
      path,
      sockjs: withSockJs ? (sockjs ?? true) : false,
      maxMessageBytes,
      typedLines: false,
      lenientNul: false,
    }));
    // With what transports ask before there is a connection: 429 for whom the broker would not take.
    const accept = Object.assign(
      (connection: Connection): ConnectionListener | null => this.#accept(connection, host),
      { refusal: host.accept.refusal },
    );
    const admit = (handshake: Handshake, connection: Pick<Connection, 'transport' | 'remoteAddress'>) =>
      this.#admit(handshake, connection, host);
    const attached = attachEndpoints(server, endpoints, accept, host.logger, undefined, admit);
    const stopChecking = host.clock.every(CHECK_INTERVAL_MS, () => {
      const nowMs = host.clock.nowMs();
      for (const session of this.#sessions) session.check(nowMs);
    });
    return {
      ...attached,
      detach: () => {
        stopChecking();
        attached.detach();
      },
    };
  }

  #accept(connection: Connection, host: GatewayHost): ConnectionListener | null {
    let isKnown = true;
    const outer = connection;
    const handshake = outer.takeHandshake();
    if (handshake !== null && this.#unknown.has(handshake)) isKnown = false;
    const session = new JsonSession(
      resolveJsonGatewayOptions(this.#options),
      host,
      { outer, handshake },
      {
        counts: this.#counts,
        onGone: (gone) => this.#sessions.delete(gone),
      },
    );
    if (!session.start(isKnown)) return null;
    this.#total++;
    this.#sessions.add(session);
    return session;
  }

  /** Asks who it is before there is a connection, so that nobody who is not let in has half a session. */
  async #admit(
    handshake: Handshake,
    { transport, remoteAddress }: Pick<Connection, 'transport' | 'remoteAddress'>,
    host: GatewayHost,
  ): Promise<Refusal | null> {
    const shown = { sessionId: '', login: undefined, passcode: undefined, headers: NO_HEADERS };
    try {
      await host.authenticator.authenticate({ ...shown, transport, remoteAddress, handshake });
      return null;
    } catch (error) {
      if (!(error instanceof BrokerError)) {
        host.logger.error({ err: error }, 'authentication failed');
        return { status: 500, text: 'Internal error' };
      }
      if (this.#options.mapping.lateLogin !== undefined && error.code === 'authentication-failed') {
        this.#unknown.add(handshake);
        return null;
      }
      return { status: 401, text: error.message };
    }
  }
}
