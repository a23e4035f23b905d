/**
 * An external STOMP broker in memory, under a test's thumb: it answers CONNECT and receipts and hands SENDs to exact
 * subscriptions by itself, unless told otherwise, and keeps every frame it was sent.
 */
import type { Dial, Pipe, PipeEvents } from '../../adapters/relays/index.js';
import { StompRelay, type StompRelayOptions } from '../../adapters/relays/index.js';
import { DEFAULT_RELAY_OPTIONS } from '../../adapters/config/index.js';
import { recordingLogger } from '../../adapters/testing/recorded-log.js';
import type { Authorizer } from '../../broker/ports.js';
import type { BrokerOptions, Partially } from '../../broker/index.js';
import { BrokerFixture } from './broker-fixture.js';
import { FrameParser, serializeFrame, type CommandName, type Frame } from '../../protocol/index.js';
import { FakeClock } from './fake-clock.js';

export class ScriptedConnection implements Pipe {
  readonly frames: Frame[] = [];
  heartBeats = 0;
  isPaused = false;
  isGone = false;
  /** Receipts come when the test sends them. */
  holdsReceipts = false;
  readonly #broker: ScriptedBroker;
  readonly #events: PipeEvents;
  readonly #parser = new FrameParser();
  #lastMessage = 0;

  constructor(broker: ScriptedBroker, events: PipeEvents) {
    this.#broker = broker;
    this.#events = events;
  }

  get login(): string | undefined {
    return this.frames[0]?.headers.get('login');
  }

  /** Frames of one command, each as an object of its headers. */
  sent(command: CommandName): Record<string, string>[] {
    return this.frames.filter((frame) => frame.command === command).map(({ headers }) => Object.fromEntries(headers));
  }

  write(octets: Buffer): void {
    if (this.isGone) return;
    if (octets.length === 1) this.heartBeats++;
    this.#parser.push(octets, (frame) => {
      this.frames.push({ ...frame, body: Buffer.from(frame.body) });
      this.#broker.onFrame(this, frame);
    });
  }

  /** A frame to the relay, at the end of the turn. */
  answer(command: CommandName, headers: Readonly<Record<string, string>>, body = ''): void {
    this.octets(serializeFrame(command, Object.entries(headers), '1.2', Buffer.from(body)));
  }

  octets(octets: Buffer): void {
    this.#broker.clock.soon(() => {
      if (!this.isGone) this.#events.onBytes(octets);
    });
  }

  /** As an external broker does with a frame that it likes. */
  accept(frame: Frame): void {
    const { command, headers, body } = frame;
    if (command === 'CONNECT') this.answer('CONNECTED', { version: '1.2', 'heart-beat': '10000,10000' });
    if (command === 'SEND') this.#broker.deliver(headers, body);
    const receipt = headers.get('receipt');
    if (receipt !== undefined && !this.holdsReceipts) this.answer('RECEIPT', { 'receipt-id': receipt });
  }

  /** Gives the receipts that were held. */
  release(): void {
    this.holdsReceipts = false;
    for (const { receipt } of this.frames.map(({ headers }) => ({ receipt: headers.get('receipt') }))) {
      if (receipt !== undefined) this.answer('RECEIPT', { 'receipt-id': receipt });
    }
  }

  deliver(frame: Frame['headers'], body: Buffer): void {
    const ended = new Set(this.sent('UNSUBSCRIBE').map(({ id }) => id));
    for (const { id = '', destination } of this.sent('SUBSCRIBE')) {
      if (ended.has(id) || destination !== frame.get('destination')) continue;
      const ack = `ack-${++this.#lastMessage}`;
      this.answer(
        'MESSAGE',
        { ...Object.fromEntries(frame), subscription: id, 'message-id': `m-${ack}`, ack, redelivered: 'false' },
        body.toString(),
      );
    }
  }

  /** ERROR, and the end that comes with it. */
  fail(message: string, body = ''): void {
    this.answer('ERROR', { message }, body);
  }

  /** The network or the external broker ends it. */
  drop(cause?: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#broker.clock.soon(() => this.#events.onClose(cause));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.drop();
  }

  destroy(): void {
    this.drop();
  }
}

export class ScriptedBroker {
  readonly clock: FakeClock;
  /** Every connection ever, oldest first. */
  readonly connections: ScriptedConnection[] = [];
  /** Times that somebody has tried to connect. */
  attempts = 0;
  /** Nobody listens. */
  isDown = false;
  /** What becomes of a frame. */
  onFrame: (connection: ScriptedConnection, frame: Frame) => void = (connection, frame) => connection.accept(frame);

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  readonly dial: Dial = (events) => {
    this.attempts++;
    const connection = new ScriptedConnection(this, events);
    if (this.isDown) {
      connection.drop(new Error('connect ECONNREFUSED 127.0.0.1:61613'));
      return connection;
    }
    this.connections.push(connection);
    this.clock.soon(() => events.onOpen());
    return connection;
  };

  get open(): readonly ScriptedConnection[] {
    return this.connections.filter(({ isGone }) => !isGone);
  }

  /** Open connections of a login. */
  of(login: string): readonly ScriptedConnection[] {
    return this.open.filter((connection) => connection.login === login);
  }

  /** The open connection that has a frame like this. */
  with(command: CommandName, headers: Readonly<Record<string, string>>): ScriptedConnection {
    const has = (connection: ScriptedConnection): boolean =>
      connection.sent(command).some((frame) => Object.entries(headers).every(([name, value]) => frame[name] === value));
    const found = this.open.find(has);
    if (found === undefined) throw new Error(`no open connection has ${command} ${JSON.stringify(headers)}`);
    return found;
  }

  deliver(headers: Frame['headers'], body: Buffer): void {
    for (const connection of this.open) connection.deliver(headers, body);
  }

  /** It goes away with all connections. */
  stop(): void {
    this.isDown = true;
    for (const connection of this.open) connection.drop();
  }
}

/**
 * A broker with a relay to a scripted one, which it may share with another node: system connection as `system`, one pair of shared
 * ones as `client`.
 */
export interface RelayFixture {
  readonly fixture: BrokerFixture;
  readonly external: ScriptedBroker;
}

export async function relayFixture(
  options: Partial<StompRelayOptions> = {},
  brokerOptions: Partially<BrokerOptions> = {},
  external: ScriptedBroker = new ScriptedBroker(new FakeClock()),
  authorizer: Authorizer | null = null,
): Promise<RelayFixture> {
  const { clock } = external;
  const {
    virtualHost: _host,
    userDestinationBroadcast: _a,
    userRegistryBroadcast: _b,
    ...standard
  } = DEFAULT_RELAY_OPTIONS;
  const relay = new StompRelay(
    {
      ...standard,
      virtualHost: null,
      userDestinationBroadcast: null,
      userRegistryBroadcast: null,
      systemLogin: 'system',
      clientLogin: 'client',
      sharedConnections: 1,
      ...options,
    },
    { dial: external.dial, clock, logger: recordingLogger([]), random: () => 0 },
  );
  const fixture = new BrokerFixture(brokerOptions, undefined, 'info', authorizer, { clock, relay });
  await fixture.settle();
  return { fixture, external };
}
