/** A Broker over a fake clock and memory connections: everything happens when the test says so. */
import { Broker, type BrokerOptions, type Partially } from '../../broker/index.js';
import { recordingLogger, type LogLine } from '../../adapters/testing/recorded-log.js';
import type {
  Authenticator,
  Authorizer,
  BrokerRelay,
  ClusterMembers,
  Framing,
  Handshake,
  NodeHistories,
  NodeRelay,
  ProcessMemory,
  Store,
} from '../../broker/ports.js';
import { FakeClock } from './fake-clock.js';
import { MemoryConnection, RAW } from './memory-connection.js';
import { settle } from './settle.js';
import { header, readServerFrames, type ServerFrame } from './server-frames.js';

export type { LogLine };

/** Takes any login as the user's name. */
const BY_LOGIN: Authenticator = { authenticate: ({ login }) => ({ name: login ?? null, roles: [] }) };

export interface FixturePorts {
  /** Of another fixture, whose time goes on. */
  readonly clock?: FakeClock | undefined;
  readonly store?: Store | undefined;
  readonly relay?: BrokerRelay | undefined;
  readonly nodeRelay?: NodeRelay | undefined;
  readonly members?: ClusterMembers | undefined;
  readonly nodeHistories?: NodeHistories | undefined;
  readonly memory?: ProcessMemory | undefined;
}

export class BrokerFixture {
  readonly clock: FakeClock;
  /** With a store: resolves once clients are let in. */
  readonly started: Promise<void>;
  readonly log: LogLine[] = [];
  readonly broker: Broker;
  /** A started broker that stores. */
  static async storing(store: Store, options: Partially<BrokerOptions> = {}): Promise<BrokerFixture> {
    const fixture = new BrokerFixture(options, BY_LOGIN, 'info', null, { store });
    await fixture.started;
    return fixture;
  }

  constructor(
    options: Partially<BrokerOptions> = {},
    authenticator: Authenticator = BY_LOGIN,
    level = 'info',
    authorizer: Authorizer | null = null,
    { clock = new FakeClock(), ...ports }: FixturePorts = {},
  ) {
    this.clock = clock;
    const logger = recordingLogger(this.log, level);
    // Heart-beats would only be in the way of tests that are about something else.
    const heartBeat = { sendMs: 0, receiveMs: 0 };
    this.broker = new Broker(
      { nodeId: 'n', heartBeat, ...options },
      { clock, logger, authenticator, authorizer, ...ports },
    );
    this.started = this.broker.start();
  }

  /** Ends turns until the store has done what was asked of it so far, and what follows from it. */
  async settled(): Promise<void> {
    for (let k = 0; k < 4; k++) {
      this.clock.turn();
      await settle();
    }
  }

  /** Ends turns until `work` is over. */
  async finish<T>(work: Promise<T>): Promise<T> {
    const state = { isOver: false };
    const over = (): void => {
      state.isOver = true;
    };
    work.then(over, over);
    for (let k = 0; k < 1_000 && !state.isOver; k++) await this.settled();
    if (!state.isOver) throw new Error('the work does not end');
    return work;
  }

  /** A connection on which nothing was said yet. */
  open(framing: Framing = RAW, handshake: Handshake | null = null): FixtureClient {
    const connection = new MemoryConnection((task) => this.clock.soon(task), framing, handshake);
    connection.listener = this.broker.accept(connection);
    return new FixtureClient(this, connection);
  }

  /** Ends turns, and lets promises go on in between, until the store has answered and everything behind it is done. */
  async settle(): Promise<void> {
    do {
      this.clock.turn();
      await settle();
    } while (!this.clock.isIdle);
  }

  /** A connected client; its CONNECTED frame is in `welcome`. */
  connect(headers: Readonly<Record<string, string>> = {}, framing: Framing = RAW): FixtureClient {
    const client = this.open(framing);
    const all = { 'accept-version': '1.2', host: 'test', ...headers };
    client.version = all['accept-version'];
    client.send(frameText('CONNECT', all));
    client.welcome = client.frames()[0];
    if (client.welcome?.command !== 'CONNECTED') throw new Error(`not connected: ${JSON.stringify(client.welcome)}`);
    return client;
  }
}

export class FixtureClient {
  readonly connection: MemoryConnection;
  welcome: ServerFrame | undefined;
  version = '1.2';
  /** Heart-beats received so far. */
  heartBeats = 0;
  readonly #fixture: BrokerFixture;
  #rest: Buffer = Buffer.alloc(0);

  constructor(fixture: BrokerFixture, connection: MemoryConnection) {
    this.#fixture = fixture;
    this.connection = connection;
  }

  /** Octets as they are; the turn goes on. */
  send(octets: string | Buffer, endsMessage = false): void {
    this.connection.feed(octets, endsMessage);
  }

  /** Ends the turn and returns the frames that arrived since the last call. */
  frames(): readonly ServerFrame[] {
    this.#fixture.clock.turn();
    const { frames, heartBeats, rest } = readServerFrames(
      Buffer.concat([this.#rest, this.connection.take()]),
      this.version,
    );
    this.#rest = Buffer.from(rest);
    this.heartBeats += heartBeats;
    return frames;
  }

  /** Bodies of the MESSAGE frames among `frames()`. */
  bodies(): string[] {
    return this.frames()
      .filter(({ command }) => command === 'MESSAGE')
      .map(({ body }) => body.toString());
  }

  /** The one ERROR frame among `frames()`: its code. */
  error(): string | undefined {
    return header(
      this.frames().find(({ command }) => command === 'ERROR'),
      'code',
    );
  }

  get isGone(): boolean {
    return this.connection.isGone;
  }

  subscribe(id: string, destination: string, headers: Readonly<Record<string, string>> = {}): void {
    this.send(frameText('SUBSCRIBE', { id, destination, ...headers }));
  }

  publish(destination: string, body: string, headers: Readonly<Record<string, string>> = {}): void {
    this.send(frameText('SEND', { destination, ...headers }, body));
  }
}

/** Octets of one frame; headers are written as they are. */
export function frameText(command: string, headers: Readonly<Record<string, string>>, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  return `${command}\n${lines.join('')}\n${body}\0`;
}
