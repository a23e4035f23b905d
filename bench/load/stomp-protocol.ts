/** STOMP 1.2 of the load, over any wire, with heart-beats both ways as @stomp/stompjs asks for them. */
import { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { Wire } from './wires.js';

const HEART_BEAT_MS = 10_000;

export class StompProtocol implements LoadProtocol {
  readonly #heartBeat: Buffer;
  readonly #target: LoadTarget;
  readonly #wire: Wire;
  #opened = 0;
  #isAskedToBeat = false;

  constructor(target: LoadTarget, wire: Wire) {
    this.#target = target;
    this.#wire = wire;
    this.#heartBeat = wire.encode('\n');
  }

  get heartBeat(): Buffer | null {
    return this.#isAskedToBeat ? this.#heartBeat : null;
  }

  async open(user?: string): Promise<LoadConnection> {
    const connection = await LoadConnection.open(this.#target.port);
    const request = this.#wire.handshake(this.#target.port, this.#target.path, this.#opened++);
    if (request !== null) {
      connection.write(request);
      await connection.until(this.#wire.greeting);
    }
    const name = user === undefined ? '' : `x-user-id:${user}\n`;
    const headers = `accept-version:1.1,1.2\nhost:/\nheart-beat:${HEART_BEAT_MS},${HEART_BEAT_MS}\n${name}`;
    connection.write(this.#wire.encode(`CONNECT\n${headers}\n\0`));
    const connected = await connection.until('\0', '\\u0000');
    this.#isAskedToBeat ||= /heart-beat:\d+,[1-9]/.test(connected);
    return connection;
  }

  async subscribe(connection: LoadConnection, destination: string, id = 'sub-0'): Promise<void> {
    const receipt = this.#target.hasReceipts ? 'receipt:subscribed\n' : '';
    connection.write(this.#wire.encode(`SUBSCRIBE\nid:${id}\ndestination:${destination}\n${receipt}\n\0`));
    if (this.#target.hasReceipts) await connection.until('receipt-id:subscribed');
  }

  publish(destination: string, body: string): Buffer {
    const headers = `destination:${destination}\ncontent-type:text/plain\ncontent-length:${body.length}\n`;
    return this.#wire.encode(`SEND\n${headers}\n${body}\0`);
  }
}
