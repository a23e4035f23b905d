/**
 * Topics whose publishers are at one node and whose subscribers are at others. Each topic has so many messages in flight;
 * a publisher writes so many at once, as soon as there is room for them.
 */
import { HeartBeats } from './heart-beats.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { markedBody, MarkCounter } from './marked-body.js';
import { openMany, openPlaces } from './open-protocol.js';
import { probe } from './probe.js';

/** Nothing takes that long; whoever does has lost something. */
const DRAIN_MS = 30_000;

class CrossTopic {
  readonly destination: string;
  readonly publisher: LoadConnection;
  readonly subscribers: readonly LoadConnection[];
  counters: readonly MarkCounter[] = [];
  sent = 0;
  /** Deliveries, of all subscribers. */
  arrived = 0;

  constructor(destination: string, publisher: LoadConnection, subscribers: readonly LoadConnection[]) {
    this.destination = destination;
    this.publisher = publisher;
    this.subscribers = subscribers;
    publisher.onOctets = () => undefined;
  }

  get inFlight(): number {
    return this.sent - this.arrived / this.subscribers.length;
  }
}

export class CrossLoad implements LoadTask {
  readonly #publishing: LoadProtocol;
  readonly #topics: readonly CrossTopic[];
  readonly #heartBeats: readonly HeartBeats[];
  #bodyBytes = 0;
  #received = 0;
  #onArrival: (topic: CrossTopic) => void = () => undefined;

  private constructor(publishing: LoadProtocol, topics: readonly CrossTopic[], heartBeats: readonly HeartBeats[]) {
    this.#publishing = publishing;
    this.#topics = topics;
    this.#heartBeats = heartBeats;
  }

  /** Settings: `topics`, each with a publisher of its own, and `subscribers` of each, spread over the target's nodes. */
  static async open(target: LoadTarget, { topics, subscribers }: LoadSettings): Promise<CrossLoad> {
    const { publishing, subscribing } = openPlaces(target);
    const beats = new Map([publishing, ...subscribing].map((protocol) => [protocol, new HeartBeats(protocol)]));
    const open = async (protocol: LoadProtocol): Promise<LoadConnection> => {
      const connection = await protocol.open();
      return beats.get(protocol)?.add(connection) ?? connection;
    };
    const each = Number(subscribers);
    const destinationOf = (topic: number): string => `/topic/cross.${topic}`;
    const receivers = await openMany(Number(topics) * each, async (index) => {
      const protocol = subscribing[index % subscribing.length] ?? publishing;
      const connection = await open(protocol);
      await protocol.subscribe(connection, destinationOf(Math.floor(index / each)));
      return connection;
    });
    const publishers = await openMany(Number(topics), () => open(publishing));
    const all = publishers.map(
      (publisher, k) => new CrossTopic(destinationOf(k), publisher, receivers.slice(k * each, (k + 1) * each)),
    );
    return new CrossLoad(publishing, all, [...beats.values()]);
  }

  /** Settings: `bodyBytes`, `batch` (messages of one write), `window` (in flight on each topic), `durationMs`. */
  async round({ bodyBytes, batch, window, durationMs }: LoadSettings): Promise<RoundFigures> {
    if (bodyBytes !== this.#bodyBytes) await this.#prepare(Number(bodyBytes));
    const size = Number(batch);
    const most = Number(window) - size;
    const runs = new Map(this.#topics.map((topic) => [topic, this.#run(topic, size)]));
    const before = this.#topics.map(({ counters }) => counters.map(({ count }) => count));
    for (const topic of this.#topics) topic.sent = topic.arrived = 0;
    this.#received = 0;
    const start = performance.now();
    const end = start + Number(durationMs);
    let open = this.#topics.length;
    await finished((resolve) => {
      this.#onArrival = (topic) => {
        if (performance.now() < end) fill(topic);
        else if (topic.inFlight === 0 && --open === 0) resolve();
      };
      const fill = (topic: CrossTopic): void => {
        const octets = runs.get(topic);
        for (; octets !== undefined && topic.inFlight <= most; topic.sent += size) topic.publisher.write(octets);
      };
      for (const topic of this.#topics) fill(topic);
    });
    this.#onArrival = () => undefined;
    const elapsedMs = performance.now() - start;
    this.#checkEach(before);
    return { operations: this.#received, elapsedMs };
  }

  close(): void {
    for (const beats of this.#heartBeats) beats.stop();
    for (const { publisher, subscribers } of this.#topics) {
      for (const connection of [publisher, ...subscribers]) connection.close();
    }
  }

  #run({ destination }: CrossTopic, size: number): Buffer {
    const message = this.#publishing.publish(destination, markedBody(this.#bodyBytes));
    return Buffer.concat(Array.from({ length: size }, () => message));
  }

  /** Counters for bodies of that size, and certainty that every subscription is there. */
  async #prepare(bodyBytes: number): Promise<void> {
    this.#bodyBytes = bodyBytes;
    this.#received = 0;
    for (const topic of this.#topics) {
      topic.counters = topic.subscribers.map((subscriber) => {
        const counter = new MarkCounter(bodyBytes);
        subscriber.onOctets = (octets) => {
          const count = counter.add(octets);
          if (count === 0) return;
          topic.arrived += count;
          this.#received += count;
          this.#onArrival(topic);
        };
        return counter;
      });
    }
    const isMissing = ({ counters }: CrossTopic): boolean => counters.some(({ count }) => count === 0);
    await probe({
      send: () => {
        const missing = this.#topics.filter(isMissing);
        for (const topic of missing) topic.publisher.write(this.#run(topic, 1));
        return missing.reduce((sum, { subscribers }) => sum + subscribers.length, 0);
      },
      received: () => this.#received,
      isReached: () => !this.#topics.some(isMissing),
    });
  }

  #checkEach(before: readonly (readonly number[])[]): void {
    for (const [k, { counters, sent, destination }] of this.#topics.entries()) {
      for (const [index, { count }] of counters.entries()) {
        const got = count - (before[k]?.[index] ?? 0);
        if (got !== sent) throw new Error(`subscriber ${index} of ${destination} got ${got} messages of ${sent}`);
      }
    }
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
