/**
 * A whole broker for unit tests of `/app` handlers: the real engine over connections in memory and a clock that stands
 * still until the test moves it. No socket, no port, no sleeping.
 */
import { Broker } from '../../broker/broker.js';
import { BrokerError } from '../../broker/errors.js';
import type { BrokerOptions, Partially } from '../../broker/options.js';
import type { Authenticator, Authorizer, Handshake, Principal } from '../../broker/ports.js';
import type { StompVersion } from '../../protocol/index.js';
import { MemoryConnection, RAW } from './memory-connection.js';
import { Pace } from './pace.js';
import { recordingLogger, type LogLine } from './recorded-log.js';
import { type HeaderValues, TestClient } from './test-client.js';
import { VirtualClock } from './virtual-clock.js';

export interface TestUser {
  readonly roles?: readonly string[] | undefined;
  /** Left out: any passcode will do. */
  readonly passcode?: string | undefined;
}

export interface TestBrokerOptions {
  /** The application's own registration: handlers, error handlers, interceptors. */
  readonly handlers?: ((broker: Broker) => void) | undefined;
  /** As in production. */
  readonly options?: Partially<BrokerOptions> | undefined;
  /** Who may connect, by name. Left out: everybody, under the name they give. Not used with `authenticator`. */
  readonly users?: Readonly<Record<string, TestUser>> | undefined;
  readonly authenticator?: Authenticator | undefined;
  readonly authorizer?: Authorizer | undefined;
  /** Real time that a handler or a message may take before the test fails, in ms. Default 2,000. */
  readonly patienceMs?: number | undefined;
}

export interface TestConnectOptions {
  /** Goes into header `login`. Left out: an anonymous client. */
  readonly user?: string | undefined;
  readonly passcode?: string | undefined;
  /** Further headers of CONNECT. */
  readonly headers?: HeaderValues | undefined;
  /** Default `1.2`. */
  readonly version?: StompVersion | undefined;
  /** What the authenticator sees of the HTTP request. Left out: none, as on TCP. */
  readonly handshake?: Handshake | undefined;
}

const PATIENCE_MS = 2_000;

export class TestBroker {
  readonly broker: Broker;
  readonly clock = new VirtualClock();
  /** What the broker logged, from level info on. */
  readonly log: readonly LogLine[];
  readonly #pace: Pace;
  readonly #connections: MemoryConnection[] = [];

  constructor({ handlers, options, users, authenticator, authorizer, patienceMs }: TestBrokerOptions) {
    const log: LogLine[] = [];
    this.log = log;
    this.#pace = new Pace(this.clock, patienceMs ?? PATIENCE_MS);
    this.broker = new Broker(options ?? {}, {
      clock: this.clock,
      logger: recordingLogger(log),
      authenticator: authenticator ?? authenticatorOf(users),
      authorizer,
    });
    handlers?.(this.broker);
  }

  /** Opens a connection and says CONNECT. @throws ConnectRefusedError */
  async connect(options: TestConnectOptions = {}): Promise<TestClient> {
    const { user, passcode, headers, version = '1.2', handshake = null } = options;
    const connection = new MemoryConnection((task) => this.clock.soon(task), RAW, handshake);
    connection.listener = this.broker.accept(connection);
    if (connection.listener === null) throw new Error('the broker takes no more connections');
    this.#connections.push(connection);
    const client = new TestClient(connection, this.#pace, version);
    await client.connect({
      'accept-version': version,
      host: 'test',
      ...(user === undefined ? {} : { login: user }),
      ...(passcode === undefined ? {} : { passcode }),
      ...headers,
    });
    return client;
  }

  /** Lets `ms` of virtual time pass: deadlines, heart-beats and expiries happen in their order. */
  async advance(ms: number): Promise<void> {
    await this.#pace.advance(ms);
  }

  /** Resolves when no handler is at work and everything sent has arrived. @throws Error when patience is at its end */
  async settle(): Promise<void> {
    const isQuiet = (): boolean => this.#connections.every(({ isPaused, isGone }) => isGone || !isPaused);
    await this.#pace.until(isQuiet, () => 'a handler is still at work');
  }

  /** Ends every connection. */
  async stop(): Promise<void> {
    let isStopped = false;
    const stopping = this.broker.stop().finally(() => {
      isStopped = true;
    });
    while (!isStopped) await this.advance(10);
    await stopping;
  }
}

/** A broker that takes connections, with the handlers of the application. @throws BrokerError `invalid-option`, `handler-exists` */
export async function createTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const testBroker = new TestBroker(options);
  await testBroker.broker.start();
  return testBroker;
}

function authenticatorOf(given: TestBrokerOptions['users']): Authenticator {
  // A map: `toString` is nobody's name.
  const users = given === undefined ? null : new Map(Object.entries(given));
  return {
    authenticate({ login, passcode }): Principal {
      if (login === undefined) return { name: null, roles: [] };
      const user: TestUser | undefined = users === null ? {} : users.get(login);
      const isKnown = user !== undefined && (user.passcode === undefined || user.passcode === passcode);
      if (!isKnown) throw new BrokerError('authentication-failed', 'Bad login or passcode');
      return { name: login, roles: user.roles ?? [] };
    },
  };
}
