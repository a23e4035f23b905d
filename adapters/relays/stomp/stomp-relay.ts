/**
 * The relay to an external STOMP broker: which connections there are, who uses which, and whether the broker is there.
 * Its system connection decides that, as with Spring.
 */
import type {
  BrokerRelay,
  Clock,
  Logger,
  RelayClient,
  RelayClientRequest,
  RelayedMessage,
  RelayLink,
  RelayProblem,
  RelaySubscription,
  SharedSubscriptionEvents,
} from '../../../broker/ports.js';
import { ClientLink } from './client-link.js';
import type { Dial } from './pipe.js';
import { PublishWindow } from './publish-window.js';
import { Reconnector, type ReconnectOptions } from './reconnector.js';
import { notAvailable } from './relay-errors.js';
import { StompRelayClient } from './relay-client.js';
import { relayedMessage } from './relayed-message.js';
import { SharedSubscriptions } from './shared-subscriptions.js';
import type { UpstreamConnection, UpstreamEnd, UpstreamTerms } from './upstream-connection.js';

/** Everything decided; README says what each is. */
export interface StompRelayOptions {
  readonly destinationPrefixes: readonly string[];
  readonly clientLogin: string;
  readonly clientPasscode: string;
  readonly systemLogin: string;
  readonly systemPasscode: string;
  readonly virtualHost: string | null;
  readonly systemHeartbeatSendIntervalMs: number;
  readonly systemHeartbeatReceiveIntervalMs: number;
  readonly connections: 'shared' | 'per-client';
  readonly forwardLogin: boolean;
  readonly sharedConnections: number;
  readonly connectTimeoutMs: number;
  readonly reconnect: ReconnectOptions;
  readonly maxPendingBytes: number;
  readonly userQueueHeaders: Readonly<Record<string, string>>;
  readonly userDestinationBroadcast: string | null;
  readonly userRegistryBroadcast: string | null;
}

export interface StompRelayPorts {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 to 1, by chance. Default: Math.random. */
  readonly random?: (() => number) | undefined;
}

/** The two connections of one share of the clients. */
interface Pair {
  readonly window: PublishWindow;
  readonly subscriptions: SharedSubscriptions;
  readonly reconnectors: readonly Reconnector[];
}

interface SystemSubscription {
  readonly destination: string;
  readonly onMessage: (message: RelayedMessage) => void;
}

/** How long a stopping relay waits for what was submitted. */
const STOP_MS = 2_000;

export class StompRelay implements BrokerRelay {
  readonly name = 'stomp';
  readonly isShared: boolean;
  readonly userQueueHeaders: readonly (readonly [string, string])[];
  readonly userDestinationBroadcast: string | null;
  readonly userRegistryBroadcast: string | null;
  readonly #options: StompRelayOptions;
  readonly #ports: StompRelayPorts;
  readonly #system: Reconnector;
  readonly #window: PublishWindow;
  readonly #systemSubscriptions: SystemSubscription[] = [];
  readonly #pairs: readonly Pair[];
  #nextPair = 0;
  #problem: RelayProblem | null;
  #onAvailable: (isAvailable: boolean) => void = () => undefined;

  constructor(options: StompRelayOptions, ports: StompRelayPorts) {
    this.#options = options;
    this.#ports = ports;
    this.isShared = options.connections === 'shared';
    this.userQueueHeaders = Object.entries(options.userQueueHeaders);
    this.userDestinationBroadcast = options.userDestinationBroadcast;
    this.userRegistryBroadcast = options.userRegistryBroadcast;
    this.#problem = this.#problemOf('not connected yet');
    this.#window = this.#createWindow();
    this.#system = this.#reconnector(options.systemLogin, options.systemPasscode, {
      onUp: (connection) => {
        this.#onSystemUp(connection);
      },
      onMessage: ({ command, headers, body }) => {
        const subscription = this.#systemSubscriptions[Number(headers.get('subscription') ?? NaN)];
        subscription?.onMessage(relayedMessage({ command, headers, body }, null));
      },
      onDown: (end) => {
        this.#onSystemDown(end);
      },
    });
    this.#pairs = this.isShared ? Array.from({ length: options.sharedConnections }, () => this.#createPair()) : [];
  }

  get problem(): RelayProblem | null {
    return this.#problem;
  }

  get system(): RelayLink {
    return this.#window;
  }

  covers(destination: string): boolean {
    return this.#options.destinationPrefixes.some((prefix) => destination.startsWith(prefix));
  }

  start(events: { onAvailable(isAvailable: boolean): void }): void {
    this.#onAvailable = (isAvailable) => {
      events.onAvailable(isAvailable);
    };
    this.#system.start();
    for (const { reconnectors } of this.#pairs) for (const reconnector of reconnectors) reconnector.start();
  }

  openClient({ login, passcode, onLost }: RelayClientRequest): RelayClient {
    const { clientLogin, clientPasscode, forwardLogin, maxPendingBytes } = this.#options;
    const isForwarded = !this.isShared && forwardLogin && login !== undefined;
    const terms = isForwarded ? this.#terms(login, passcode ?? '') : this.#terms(clientLogin, clientPasscode);
    const shared = this.isShared ? this.#takeTurn().window : null;
    const openLink = (): ClientLink => {
      this.#assertAvailable();
      const isKept = this.isShared;
      const ownTerms = {
        isKept,
        maxPendingBytes,
        onLost,
        assertAvailable: this.#assertAvailable,
        onDropped: this.#onDropped,
      };
      return new ClientLink(terms, ownTerms, this.#reconnectorPorts);
    };
    return new StompRelayClient({ shared, openLink });
  }

  shareSubscription(
    headers: Iterable<readonly [string, string]>,
    events: SharedSubscriptionEvents,
  ): Promise<RelaySubscription> {
    return this.#takeTurn().subscriptions.subscribe(headers, events);
  }

  subscribeSystem(destination: string, onMessage: (message: RelayedMessage) => void): void {
    this.#systemSubscriptions.push({ destination, onMessage });
    const { connection } = this.#system;
    if (connection !== null) this.#subscribeSystem(connection, this.#systemSubscriptions.length - 1);
  }

  async stop(): Promise<void> {
    const { clock } = this.#ports;
    const windows = [this.#window, ...this.#pairs.map(({ window }) => window)];
    await new Promise<void>((resolve) => {
      const late = clock.every(STOP_MS, () => resolve());
      const settled = windows.map((window) => window.settled() ?? Promise.resolve());
      void Promise.all(settled).then(() => {
        late();
        resolve();
      });
    });
    for (const { reconnectors } of this.#pairs) for (const reconnector of reconnectors) reconnector.stop();
    this.#system.stop();
    this.#problem = this.#problemOf('stopped');
  }

  readonly #assertAvailable = (): void => {
    if (this.#problem !== null) throw notAvailable();
  };

  readonly #onDropped = (requests: number): void => {
    this.#ports.logger.warn(
      { requests },
      'messages without receipt went down with a connection to the external broker',
    );
  };

  #takeTurn(): Pair {
    this.#nextPair = (this.#nextPair + 1) % this.#pairs.length;
    return this.#pairs[this.#nextPair] as Pair;
  }

  #createPair(): Pair {
    const { clientLogin, clientPasscode } = this.#options;
    const window = this.#createWindow();
    const subscriptions = new SharedSubscriptions(this.#assertAvailable);
    const publishing = this.#reconnector(clientLogin, clientPasscode, {
      onUp: (connection) => {
        window.onUp(connection);
      },
      onMessage: () => undefined,
      onDown: (end) => {
        this.#log(end, 'publishing');
        window.onDown(end);
      },
    });
    const receiving = this.#reconnector(clientLogin, clientPasscode, {
      onUp: (connection) => {
        subscriptions.onUp(connection);
      },
      onMessage: (frame) => {
        subscriptions.onMessage(frame);
      },
      onDown: (end) => {
        this.#log(end, 'receiving');
        subscriptions.onDown(end);
      },
    });
    return { window, subscriptions, reconnectors: [publishing, receiving] };
  }

  #createWindow(): PublishWindow {
    const { maxPendingBytes } = this.#options;
    return new PublishWindow({ maxPendingBytes, assertAvailable: this.#assertAvailable, onDropped: this.#onDropped });
  }

  #reconnector(login: string, passcode: string, events: ConstructorParameters<typeof Reconnector>[1]): Reconnector {
    return new Reconnector(this.#terms(login, passcode), events, this.#reconnectorPorts);
  }

  get #reconnectorPorts(): ConstructorParameters<typeof Reconnector>[2] {
    const { dial, clock, random = Math.random } = this.#ports;
    return { dial, clock, random, options: this.#options.reconnect };
  }

  #terms(login: string, passcode: string): UpstreamTerms {
    const { virtualHost, connectTimeoutMs } = this.#options;
    const { systemHeartbeatSendIntervalMs: sendMs, systemHeartbeatReceiveIntervalMs: receiveMs } = this.#options;
    return { login, passcode, virtualHost, connectTimeoutMs, heartBeat: { sendMs, receiveMs } };
  }

  #onSystemUp(connection: UpstreamConnection): void {
    const isBack = this.#problem !== null;
    this.#problem = null;
    for (const index of this.#systemSubscriptions.keys()) this.#subscribeSystem(connection, index);
    this.#window.onUp(connection);
    if (!isBack) return;
    this.#ports.logger.info({}, 'the external broker is available');
    this.#onAvailable(true);
  }

  #onSystemDown(end: UpstreamEnd): void {
    this.#window.onDown(end);
    if (end.isRefusal && end.wasConnected) {
      // The broker is well: a message of the application was not, and the connection is made again at once.
      this.#log(end, 'system');
      return;
    }
    if (this.#problem !== null) {
      this.#problem = { ...this.#problem, message: end.error.message };
      return;
    }
    this.#problem = this.#problemOf(end.error.message);
    this.#log(end, 'system');
    this.#onAvailable(false);
  }

  #subscribeSystem(connection: UpstreamConnection, index: number): void {
    const { destination = '' } = this.#systemSubscriptions[index] ?? {};
    connection.send('SUBSCRIBE', [
      ['id', String(index)],
      ['ack', 'auto'],
      ['destination', destination],
    ]);
  }

  #problemOf(message: string): RelayProblem {
    return { message, sinceEpochMs: this.#ports.clock.epochMs() };
  }

  #log({ error, wasConnected }: UpstreamEnd, connection: string): void {
    const { message, detail } = error;
    this.#ports.logger.warn(
      { connection, cause: message, detail },
      wasConnected ? 'a connection to the external broker is lost' : 'the external broker cannot be reached',
    );
  }
}
