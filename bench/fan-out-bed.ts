/** One server under the load of fan-out: many subscribers of one topic, one publisher, CPU time for each delivery. */
import { RawClient } from './raw-client.js';
import type { ServerProcess } from './servers/server-process.js';

export const SUBSCRIBERS = 100;
/** Not a size at which a WebSocket length octet is 0, as frames are counted by their NULs. */
export const BODY_BYTES = 128;

export class FanOutBed {
  readonly #server: ServerProcess;
  readonly #publisher: RawClient;
  readonly #subscribers: readonly RawClient[];

  private constructor(server: ServerProcess, publisher: RawClient, subscribers: readonly RawClient[]) {
    this.#server = server;
    this.#publisher = publisher;
    this.#subscribers = subscribers;
  }

  /** @param path of the WebSocket; null for TCP */
  static async open(server: ServerProcess, path: string | null): Promise<FanOutBed> {
    const port = path === null ? server.ports.tcpPort : server.ports.httpPort;
    const subscribers: RawClient[] = [];
    for (let k = 0; k < SUBSCRIBERS; k++) {
      const client = await RawClient.open(port, path);
      client.send(client.encode('CONNECT\naccept-version:1.2\nhost:bench\n\n\0', 1));
      client.send(client.encode('SUBSCRIBE\nid:sub-0\ndestination:/topic/bench\nreceipt:r\n\n\0', 1));
      await client.received(2);
      subscribers.push(client);
    }
    const publisher = await RawClient.open(port, path);
    publisher.send(publisher.encode('CONNECT\naccept-version:1.2\nhost:bench\n\n\0', 1));
    await publisher.received(1);
    return new FanOutBed(server, publisher, subscribers);
  }

  /**
   * CPU µs of the server for each delivery.
   * @param batch messages that one read of the server brings in
   * @param deliveries about how many to measure
   */
  async round(batch: number, deliveries: number): Promise<number> {
    const frame = `SEND\ndestination:/topic/bench\ncontent-type:text/plain\ncontent-length:${BODY_BYTES}\n\n${'x'.repeat(BODY_BYTES)}\0`;
    const octets = this.#publisher.encode(frame, batch);
    const turns = Math.ceil(deliveries / (SUBSCRIBERS * batch));
    const before = await this.#server.cpuMicros();
    for (let turn = 0; turn < turns; turn++) {
      const wanted = this.#subscribers.map((subscriber) => subscriber.frames + batch);
      this.#publisher.send(octets);
      for (const [k, subscriber] of this.#subscribers.entries()) await subscriber.received(wanted[k] ?? 0);
    }
    return ((await this.#server.cpuMicros()) - before) / (turns * batch * SUBSCRIBERS);
  }

  async close(): Promise<void> {
    for (const client of [this.#publisher, ...this.#subscribers]) client.close();
    await this.#server.stop();
  }
}
