/** Thousands of users with a session each, and a client whose requests make the application send to a slice of them. */
import { HeartBeats } from './heart-beats.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { markedBody, MarkCounter } from './marked-body.js';
import { openMany, openProtocol } from './open-protocol.js';
import { probe } from './probe.js';

const TURN_MS = 30_000;

export class UsersLoad implements LoadTask {
  readonly #protocol: LoadProtocol;
  readonly #users: readonly LoadConnection[];
  readonly #driver: LoadConnection;
  readonly #counters: readonly MarkCounter[];
  readonly #bodyBytes: number;
  readonly #heartBeats: HeartBeats;
  #received = 0;
  #onArrival: () => void = () => undefined;

  private constructor(
    protocol: LoadProtocol,
    users: readonly LoadConnection[],
    driver: LoadConnection,
    bodyBytes: number,
    heartBeats: HeartBeats,
  ) {
    this.#protocol = protocol;
    this.#users = users;
    this.#driver = driver;
    this.#bodyBytes = bodyBytes;
    this.#heartBeats = heartBeats;
    driver.onOctets = () => undefined;
    this.#counters = users.map((user) => {
      const counter = new MarkCounter(bodyBytes);
      user.onOctets = (octets) => {
        this.#received += counter.add(octets);
        this.#onArrival();
      };
      return counter;
    });
  }

  /** Settings: `users`, `bodyBytes`. */
  static async open(target: LoadTarget, { users, bodyBytes }: LoadSettings): Promise<UsersLoad> {
    const protocol = openProtocol(target);
    const heartBeats = new HeartBeats(protocol);
    const connections = await openMany(Number(users), async (index) => {
      const connection = heartBeats.add(await protocol.open(`u${index}`));
      await protocol.subscribe(connection, '/user/queue/notices');
      return connection;
    });
    const driver = heartBeats.add(await protocol.open('driver'));
    const load = new UsersLoad(protocol, connections, driver, Number(bodyBytes), heartBeats);
    await load.#probe();
    return load;
  }

  /** Settings: `slice` (users that one request sends to), `durationMs`. */
  async round({ slice, durationMs }: LoadSettings): Promise<RoundFigures> {
    const start = performance.now();
    const end = start + Number(durationMs);
    let requested = 0;
    this.#received = 0;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#received} of ${requested} messages arrived`));
      }, TURN_MS);
      this.#onArrival = () => {
        if (this.#received < requested) return;
        if (requested > 0 && performance.now() >= end) {
          clearTimeout(timer);
          resolve();
          return;
        }
        this.#request(requested % this.#users.length, Number(slice));
        requested += Number(slice);
      };
      this.#onArrival();
    });
    this.#onArrival = () => undefined;
    return { operations: requested, elapsedMs: performance.now() - start };
  }

  close(): void {
    this.#heartBeats.stop();
    for (const connection of [...this.#users, this.#driver]) connection.close();
  }

  async #probe(): Promise<void> {
    this.#received = 0;
    await probe({
      send: () => {
        this.#request(0, this.#users.length);
        return this.#users.length;
      },
      received: () => this.#received,
      isReached: () => this.#counters.every(({ count }) => count > 0),
    });
  }

  #request(from: number, count: number): void {
    this.#driver.write(this.#protocol.publish(`/app/notify/${from}/${count}`, markedBody(this.#bodyBytes)));
  }
}
