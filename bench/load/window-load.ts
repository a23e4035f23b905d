/**
 * Many links that each keep a number of messages in flight, from a publisher to one receiver: pairs, or clients that ask
 * and are answered. Each message that arrives makes room for another.
 */
import { HeartBeats } from './heart-beats.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { markedBody, MarkCounter } from './marked-body.js';
import { openMany, openProtocol } from './open-protocol.js';
import { percentile } from '../report/statistics.js';
import { probe } from './probe.js';

/** Nothing takes that long; whoever does has lost something. */
const DRAIN_MS = 30_000;

class Link {
  counter = new MarkCounter(1);
  inFlight = 0;
  /** Messages of the round, in runs of 1, 2, … the whole window. */
  runs: readonly Buffer[] = [];
  /** When each in flight was sent: a ring, as they come back in order. */
  readonly #sentMs: number[] = [];
  #oldest = 0;
  readonly #publisher: LoadConnection;

  constructor(publisher: LoadConnection) {
    this.#publisher = publisher;
  }

  send(count: number, nowMs: number): void {
    const octets = this.runs[count];
    if (octets === undefined) throw new Error(`no run of ${count} messages`);
    for (let k = 0; k < count; k++) this.#sentMs[(this.#oldest + this.inFlight + k) % this.runs.length] = nowMs;
    this.inFlight += count;
    this.#publisher.write(octets);
  }

  /** Adds to `latenciesMs` what the next arrivals took. */
  arrive(count: number, nowMs: number, latenciesMs: number[]): void {
    for (let k = 0; k < count; k++) {
      latenciesMs.push(nowMs - (this.#sentMs[this.#oldest] ?? NaN));
      this.#oldest = (this.#oldest + 1) % this.runs.length;
    }
    this.inFlight -= count;
  }

  probe(): void {
    this.#publisher.write(this.runs[1] ?? Buffer.alloc(0));
  }
}

export class WindowLoad implements LoadTask {
  readonly #protocol: LoadProtocol;
  readonly #connections: readonly LoadConnection[];
  readonly #receivers: readonly LoadConnection[];
  readonly #links: readonly Link[];
  readonly #destinationOf: (link: number) => string;
  readonly #heartBeats: HeartBeats;
  #prepared = '';
  #received = 0;
  #onArrival: (link: Link, count: number) => void = () => undefined;

  private constructor(
    protocol: LoadProtocol,
    connections: readonly LoadConnection[],
    ends: readonly { readonly publisher: LoadConnection; readonly receiver: LoadConnection }[],
    destinationOf: (link: number) => string,
    heartBeats: HeartBeats,
  ) {
    this.#protocol = protocol;
    this.#connections = connections;
    this.#receivers = ends.map(({ receiver }) => receiver);
    this.#links = ends.map(({ publisher }) => new Link(publisher));
    this.#destinationOf = destinationOf;
    this.#heartBeats = heartBeats;
  }

  /** Settings: `pairs`; each has a publisher and a subscriber of a topic of its own. */
  static async openPairs(target: LoadTarget, { pairs }: LoadSettings): Promise<WindowLoad> {
    const protocol = openProtocol(target);
    const heartBeats = new HeartBeats(protocol);
    const destinationOf = (pair: number): string => `/topic/pair.${pair}`;
    const receivers = await openMany(Number(pairs), async (pair) => {
      const connection = heartBeats.add(await protocol.open());
      await protocol.subscribe(connection, destinationOf(pair));
      return connection;
    });
    const publishers = await openMany(Number(pairs), async () => heartBeats.add(await protocol.open()));
    const ends = receivers.map((receiver, k) => ({ receiver, publisher: publishers[k] ?? receiver }));
    for (const publisher of publishers) publisher.onOctets = () => undefined;
    return new WindowLoad(protocol, [...receivers, ...publishers], ends, destinationOf, heartBeats);
  }

  /** Settings: `clients`; each asks `/app/echo` and is answered on `/user/queue/replies`. */
  static async openRequests(target: LoadTarget, { clients }: LoadSettings): Promise<WindowLoad> {
    const protocol = openProtocol(target);
    const heartBeats = new HeartBeats(protocol);
    const connections = await openMany(Number(clients), async () => {
      const connection = heartBeats.add(await protocol.open());
      await protocol.subscribe(connection, '/user/queue/replies');
      return connection;
    });
    const ends = connections.map((connection) => ({ publisher: connection, receiver: connection }));
    return new WindowLoad(protocol, connections, ends, () => '/app/echo', heartBeats);
  }

  /** Settings: `bodyBytes`, `window` (in flight on each link), `durationMs`. Figures: `p50Ms`, `p99Ms`. */
  async round({ bodyBytes, window, durationMs }: LoadSettings): Promise<RoundFigures> {
    await this.#prepare(Number(bodyBytes), Number(window));
    const latenciesMs: number[] = [];
    // Smaller runs would take from servers that gather what they could gather.
    const leastRoom = Math.ceil(Number(window) / 2);
    const start = performance.now();
    const end = start + Number(durationMs);
    let inFlight = Number(window) * this.#links.length;
    this.#received = 0;
    await finished((resolve) => {
      this.#onArrival = (link, count) => {
        const now = performance.now();
        link.arrive(count, now, latenciesMs);
        inFlight -= count;
        const room = Number(window) - link.inFlight;
        if (now >= end) {
          if (inFlight === 0) resolve();
        } else if (room >= leastRoom) {
          link.send(room, now);
          inFlight += room;
        }
      };
      for (const link of this.#links) link.send(Number(window), start);
    });
    this.#onArrival = () => undefined;
    const sorted = Float64Array.from(latenciesMs).sort();
    const figures = { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
    return { operations: this.#received, elapsedMs: performance.now() - start, figures };
  }

  close(): void {
    this.#heartBeats.stop();
    for (const connection of this.#connections) connection.close();
  }

  /** Octets for bodies of that size, and certainty that every subscription is there. */
  async #prepare(bodyBytes: number, window: number): Promise<void> {
    const key = `${bodyBytes} ${window}`;
    if (key === this.#prepared) return;
    this.#prepared = key;
    this.#received = 0;
    for (const [index, link] of this.#links.entries()) {
      const message = this.#protocol.publish(this.#destinationOf(index), markedBody(bodyBytes));
      const whole = Buffer.concat(Array.from({ length: window }, () => message));
      link.runs = Array.from({ length: window + 1 }, (_, count) => whole.subarray(0, count * message.length));
      link.counter = new MarkCounter(bodyBytes);
      const receiver = this.#receivers[index];
      if (receiver === undefined) continue;
      receiver.onOctets = (octets) => {
        const count = link.counter.add(octets);
        if (count === 0) return;
        this.#received += count;
        this.#onArrival(link, count);
      };
    }
    await probe({
      send: () => {
        const missing = this.#links.filter(({ counter }) => counter.count === 0);
        for (const link of missing) link.probe();
        return missing.length;
      },
      received: () => this.#received,
      isReached: () => this.#links.every(({ counter }) => counter.count > 0),
    });
  }
}

async function finished(run: (resolve: () => void) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error('not every message arrives'));
    }, DRAIN_MS);
    run(resolve);
  });
  clearTimeout(timer);
}
