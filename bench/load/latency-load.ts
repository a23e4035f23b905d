/**
 * Messages at a fixed rate to many subscribers of one topic, and how long each delivery takes. Measured from when a
 * message was to be sent, not from when it was: a server that falls behind is charged for what had to wait (coordinated
 * omission).
 */
import { HeartBeats } from './heart-beats.js';
import { LatencyRecorder } from './latency-recorder.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { markedBody, MarkCounter } from './marked-body.js';
import { openMany, openPlaces } from './open-protocol.js';
import { sendPaced } from './paced.js';
import { probe } from './probe.js';

const DESTINATION = '/topic/bench';
/** What a server that cannot keep up is given beyond the round. */
const GRACE_MS = 5_000;

export class LatencyLoad implements LoadTask {
  readonly #subscribers: readonly LoadConnection[];
  readonly #publisher: LoadConnection;
  readonly #message: Buffer;
  readonly #heartBeats: HeartBeats;
  readonly #counters: readonly MarkCounter[];
  #received = 0;
  #onArrival: (subscriber: number, count: number) => void = () => undefined;

  private constructor(
    protocol: LoadProtocol,
    subscribers: readonly LoadConnection[],
    publisher: LoadConnection,
    bodyBytes: number,
    heartBeats: HeartBeats,
  ) {
    this.#subscribers = subscribers;
    this.#publisher = publisher;
    this.#message = protocol.publish(DESTINATION, markedBody(bodyBytes));
    this.#heartBeats = heartBeats;
    publisher.onOctets = () => undefined;
    this.#counters = subscribers.map((connection, index) => {
      const counter = new MarkCounter(bodyBytes);
      connection.onOctets = (octets) => {
        const count = counter.add(octets);
        this.#received += count;
        if (count > 0) this.#onArrival(index, count);
      };
      return counter;
    });
  }

  /** Settings: `subscribers`, `bodyBytes`. */
  static async open(target: LoadTarget, { subscribers, bodyBytes }: LoadSettings): Promise<LatencyLoad> {
    const { publishing, subscribing } = openPlaces(target);
    const heartBeats = new HeartBeats(publishing);
    const connections = await openMany(Number(subscribers), async (index) => {
      const protocol = subscribing[index % subscribing.length] ?? publishing;
      const connection = heartBeats.add(await protocol.open());
      await protocol.subscribe(connection, DESTINATION);
      return connection;
    });
    const publisher = heartBeats.add(await publishing.open());
    const load = new LatencyLoad(publishing, connections, publisher, Number(bodyBytes), heartBeats);
    await load.#probe();
    return load;
  }

  /**
   * Settings: `messagesPerSecond`, `durationMs`.
   * Figures: `p50Ms` … `maxMs`, and `keptUp`, the share of deliveries that arrived within the round and half a second.
   */
  async round({ messagesPerSecond, durationMs }: LoadSettings): Promise<RoundFigures> {
    const intervalMs = 1000 / Number(messagesPerSecond);
    const messages = Math.max(1, Math.floor(Number(durationMs) / intervalMs));
    const deliveries = messages * this.#subscribers.length;
    const recorder = new LatencyRecorder(deliveries, intervalMs);
    const seen = new Uint32Array(this.#subscribers.length);
    this.#received = 0;
    const start = performance.now();
    let lastMs = start;
    let inTime = 0;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Number(durationMs) + GRACE_MS);
      this.#onArrival = (subscriber, count) => {
        const now = performance.now();
        let number = seen[subscriber] ?? 0;
        // In order from one publisher: the n-th message of a subscriber is the n-th that was to be sent.
        for (const end = number + count; number < end; number++) recorder.arrived(number, now - start);
        seen[subscriber] = number;
        lastMs = now;
        if (now - start < messages * intervalMs + 500) inTime = this.#received;
        if (this.#received < deliveries) return;
        clearTimeout(timer);
        resolve();
      };
      sendPaced(start, intervalMs, messages, () => {
        this.#publisher.write(this.#message);
      });
    });
    this.#onArrival = () => undefined;
    const missing = deliveries - this.#received;
    if (missing > 0)
      throw new Error(`${missing} of ${deliveries} deliveries are missing ${GRACE_MS} ms after the round`);
    const figures = { ...recorder.percentiles(), keptUp: inTime / deliveries };
    return { operations: deliveries, elapsedMs: Math.max(lastMs - start, messages * intervalMs), figures };
  }

  close(): void {
    this.#heartBeats.stop();
    for (const connection of [...this.#subscribers, this.#publisher]) connection.close();
  }

  async #probe(): Promise<void> {
    this.#received = 0;
    await probe({
      send: () => {
        this.#publisher.write(this.#message);
        return this.#subscribers.length;
      },
      received: () => this.#received,
      isReached: () => this.#counters.every(({ count }) => count > 0),
    });
  }
}
