/** One publisher, many subscribers of one topic; the next messages are published when the last have reached everybody. */
import { HeartBeats } from './heart-beats.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { markedBody, MarkCounter } from './marked-body.js';
import { openMany, openProtocol } from './open-protocol.js';
import { probe } from './probe.js';

const DESTINATION = '/topic/bench';
/** Nothing takes that long; whoever does has lost something. */
const TURN_MS = 60_000;
export class FanOutLoad implements LoadTask {
  readonly #protocol: LoadProtocol;
  readonly #subscribers: readonly LoadConnection[];
  readonly #heartBeats: HeartBeats;
  #publisher: LoadConnection | null = null;
  #bodyBytes = 0;
  #counters: MarkCounter[] = [];
  #received = 0;
  #wanted = Infinity;
  #onTurn: () => void = () => undefined;

  private constructor(protocol: LoadProtocol, subscribers: readonly LoadConnection[], heartBeats: HeartBeats) {
    this.#protocol = protocol;
    this.#subscribers = subscribers;
    this.#heartBeats = heartBeats;
  }

  /** Settings: `subscribers`, `hasOwnIds` (their subscriptions are called differently; default: all `sub-0`). */
  static async open(target: LoadTarget, { subscribers, hasOwnIds }: LoadSettings): Promise<FanOutLoad> {
    const protocol = openProtocol(target);
    const heartBeats = new HeartBeats(protocol);
    const connections = await openMany(Number(subscribers), async (index) => {
      const connection = heartBeats.add(await protocol.open());
      await protocol.subscribe(connection, DESTINATION, hasOwnIds === true ? `sub-${index}` : undefined);
      return connection;
    });
    return new FanOutLoad(protocol, connections, heartBeats);
  }

  /** Settings: `bodyBytes`, `batch` (messages that one write carries), `durationMs`. */
  async round({ bodyBytes, batch, durationMs }: LoadSettings): Promise<RoundFigures> {
    if (bodyBytes !== this.#bodyBytes) await this.#publishBodiesOf(Number(bodyBytes));
    const publisher = this.#publisher;
    if (publisher === null) throw new Error('nobody publishes');
    const message = this.#protocol.publish(DESTINATION, markedBody(this.#bodyBytes));
    const octets = Buffer.concat(Array.from({ length: Number(batch) }, () => message));
    const perTurn = Number(batch) * this.#subscribers.length;
    const expected = this.#counters.map(({ count }) => count);
    const start = performance.now();
    const end = start + Number(durationMs);
    let turns = 0;
    await this.#finished((resolve) => {
      this.#received = 0;
      this.#onTurn = () => {
        if (turns > 0 && performance.now() >= end) {
          resolve();
          return;
        }
        turns++;
        this.#wanted = turns * perTurn;
        publisher.write(octets);
      };
      this.#onTurn();
    });
    const elapsedMs = performance.now() - start;
    this.#checkEach(expected, turns * Number(batch));
    return { operations: turns * perTurn, elapsedMs };
  }

  close(): void {
    this.#heartBeats.stop();
    this.#publisher?.close();
    for (const subscriber of this.#subscribers) subscriber.close();
  }

  /** A publisher of its own for each size of body, as some servers make ready for the first message of a connection. */
  async #publishBodiesOf(bodyBytes: number): Promise<void> {
    if (this.#publisher !== null) this.#heartBeats.remove(this.#publisher);
    this.#publisher?.close();
    const publisher = this.#heartBeats.add(await this.#protocol.open());
    publisher.onOctets = () => undefined;
    this.#publisher = publisher;
    this.#bodyBytes = bodyBytes;
    this.#counters = this.#subscribers.map((subscriber) => {
      const counter = new MarkCounter(bodyBytes);
      subscriber.onOctets = (octets) => {
        this.#received += counter.add(octets);
        if (this.#received >= this.#wanted) this.#onTurn();
      };
      return counter;
    });
    this.#received = 0;
    this.#wanted = Infinity;
    await probe({
      send: () => {
        publisher.write(this.#protocol.publish(DESTINATION, markedBody(bodyBytes)));
        return this.#subscribers.length;
      },
      received: () => this.#received,
      isReached: () => this.#counters.every(({ count }) => count > 0),
    });
  }

  async #finished(run: (resolve: () => void) => void): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${this.#received} deliveries of ${this.#wanted} arrived`));
      }, TURN_MS);
      run(resolve);
    });
    clearTimeout(timer);
    this.#wanted = Infinity;
  }

  #checkEach(before: readonly number[], messages: number): void {
    for (const [index, { count }] of this.#counters.entries()) {
      const got = count - (before[index] ?? 0);
      if (got !== messages) throw new Error(`subscriber ${index} got ${got} messages of ${messages}`);
    }
  }
}
