/** A broker in this process with any number of sessions, for what no socket should be in the way of: connections that lead nowhere. */
import { Broker } from '../../broker/broker.js';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Handshake, Logger } from '../../broker/ports.js';
import { SystemClock } from '../../adapters/system-clock.js';
import { RAW } from '../../adapters/testing/memory-connection.js';

const silent = (): void => undefined;
const LOGGER: Logger = { level: 'silent', debug: silent, info: silent, warn: silent, error: silent };
const NO_LIMIT = 10_000_000;
/** Frames that one read brings. */
const BATCH = 64;

/** Takes everything at once and forgets it. */
export class NowhereConnection implements Connection {
  readonly transport = 'memory';
  readonly remoteAddress = '192.0.2.1';
  readonly framing = RAW;
  readonly bufferedBytes = 0;
  writes = 0;
  listener: ConnectionListener | null = null;

  takeHandshake(): Handshake | null {
    return null;
  }

  write(): void {
    this.writes++;
  }

  cork(): void {
    // Nothing is gathered.
  }

  uncork(): void {
    // See cork.
  }

  pause(): void {
    // Nobody reads on.
  }

  resume(): void {
    // See pause.
  }

  close(reason: CloseReason): void {
    this.destroy(reason);
  }

  destroy(_reason: CloseReason): void {
    setImmediate(() => this.listener?.onClose());
  }

  feed(frames: string | Buffer): void {
    this.listener?.onBytes(Buffer.from(frames), false);
  }
}

/** The turn of the event loop in which everything is written. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Crowd {
  readonly broker: Broker;
  readonly connections: NowhereConnection[] = [];

  private constructor(broker: Broker) {
    this.broker = broker;
  }

  static async open(): Promise<Crowd> {
    const limits = { maxConnections: NO_LIMIT, maxSubscriptionsPerSession: NO_LIMIT };
    const authenticator = { authenticate: () => ({ name: null, roles: [] }) };
    const broker = new Broker({ limits }, { clock: new SystemClock(), logger: LOGGER, authenticator });
    await broker.start();
    return new Crowd(broker);
  }

  /** One more session. @param heartBeat as in CONNECT */
  connect(heartBeat = '0,0'): NowhereConnection {
    const connection = new NowhereConnection();
    connection.listener = this.broker.accept(connection);
    connection.feed(`CONNECT\naccept-version:1.2\nhost:bench\nheart-beat:${heartBeat}\n\n\0`);
    this.connections.push(connection);
    return connection;
  }

  /** Every client subscribes to as many of the destinations as every other. */
  async subscribe(destinations: readonly string[], perSession: number): Promise<void> {
    for (let from = 0; from < destinations.length; from += perSession) {
      const frames = destinations
        .slice(from, from + perSession)
        .map((destination, k) => `SUBSCRIBE\nid:sub-${k}\ndestination:${destination}\n\n\0`);
      this.connect().feed(frames.join(''));
      if (this.connections.length % 16 === 0) await turn();
    }
    await turn();
    // Those that had to wait for others (limits.turnBudgetMs) have their CONNECTED later.
    while (this.broker.stats().framesOut < this.connections.length) await turn();
  }

  /** All sessions end, one after the other. */
  async leave(): Promise<void> {
    for (const [k, { listener }] of this.connections.splice(0).entries()) {
      listener?.onClose();
      if (k % 100 === 0) await turn();
    }
  }

  /** Publishes `count` messages from one connection, many in one read. @param destinationOf the k-th */
  publishing(count: number, destinationOf: (k: number) => string): () => Promise<void> {
    const publisher = this.connect();
    const reads: Buffer[] = [];
    for (let from = 0; from < count; from += BATCH) {
      const frames = Array.from(
        { length: BATCH },
        (_, k) => `SEND\ndestination:${destinationOf(from + k)}\ncontent-length:5\n\nhello\0`,
      );
      reads.push(Buffer.from(frames.join('')));
    }
    return async () => {
      for (const read of reads) {
        publisher.feed(read);
        await turn();
      }
    };
  }
}
