/** Socket.IO 4 on its websocket transport: destinations are rooms, events are those of servers/socket-io-server.ts. */
import { LoadConnection } from './load-connection.js';
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import { encodeTextMessage, upgradeRequest } from './wires.js';

export class SocketIoProtocol implements LoadProtocol {
  /** The answer to a ping; sent early, it puts the next ping off. */
  readonly heartBeat = encodeTextMessage('3');
  readonly #target: LoadTarget;

  constructor(target: LoadTarget) {
    this.#target = target;
  }

  async open(user?: string): Promise<LoadConnection> {
    const connection = await LoadConnection.open(this.#target.port);
    connection.write(upgradeRequest(this.#target.port, '/socket.io/?EIO=4&transport=websocket'));
    await connection.until('pingInterval');
    connection.write(encodeTextMessage(user === undefined ? '40' : `40${JSON.stringify({ user })}`));
    await connection.until('40{"sid"');
    return connection;
  }

  async subscribe(connection: LoadConnection, destination: string): Promise<void> {
    // The room of a user is joined when it connects, and answers come without a subscription.
    if (destination.startsWith('/user/')) return;
    connection.write(encodeTextMessage(`420${JSON.stringify(['subscribe', destination])}`));
    await connection.until('430[');
  }

  publish(destination: string, body: string): Buffer {
    const [, kind, event, from, count] = destination.split('/');
    // The answer to an event with a number is an acknowledgement, Socket.IO's own way to ask.
    if (kind === 'app' && event === 'echo') return encodeTextMessage(`421${JSON.stringify(['echo', body])}`);
    if (kind === 'app') return encodeTextMessage(`42${JSON.stringify(['notify', Number(from), Number(count), body])}`);
    return encodeTextMessage(`42${JSON.stringify(['publish', destination, body])}`);
  }
}
