/** One Socket.IO client: events on its side, an ordinary session on the broker's. */
import type { CloseReason } from '../../../broker/close-reason.js';
import { BrokerError } from '../../../broker/errors.js';
import type { Handshake } from '../../../broker/ports.js';
import type { GatewayHost } from '../gateway.js';
import { type GatewayMessage, GatewaySession, type OuterConnection } from '../gateway-session.js';
import type { SocketIoAction, SocketIoClient, SocketIoMapping } from './socketio-mapping.js';
import { bufferedBytesOf, type SocketIoSocket } from './socketio-server.js';

/** Events that wait while one before them is dealt with; Socket.IO cannot be paused. */
const MAX_WAITING = 1_000;

interface Waiting {
  readonly event: string;
  readonly args: readonly unknown[];
  /** Above 0: more than its quotas allow. */
  readonly waitMs: number;
}

type Acknowledge = (answer: Readonly<Record<string, unknown>>) => void;

export class SocketIoSession implements OuterConnection {
  readonly transport = 'socket.io';
  readonly #socket: SocketIoSocket;
  readonly #mapping: SocketIoMapping;
  readonly #host: GatewayHost;
  readonly #handshake: Handshake;
  readonly #inner: GatewaySession;
  readonly #onRefused: (event: string) => void;
  #client: SocketIoClient | null = null;
  #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(
    socket: SocketIoSocket,
    mapping: SocketIoMapping,
    host: GatewayHost,
    parts: {
      readonly handshake: Handshake;
      readonly onRefused: (event: string) => void;
    },
  ) {
    this.#socket = socket;
    this.#mapping = mapping;
    this.#host = host;
    this.#handshake = parts.handshake;
    this.#onRefused = parts.onRefused;
    this.#inner = new GatewaySession(host, this, parts.handshake, {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      // Socket.IO tells its client that the server has ended it.
      onEnd: () => undefined,
    });
    socket.conn.on('drain', () => {
      this.#inner.onDrain();
    });
    socket.conn.on('close', () => {
      this.end();
    });
  }

  get remoteAddress(): string {
    return this.#socket.conn.remoteAddress;
  }

  get bufferedBytes(): number {
    return bufferedBytesOf(this.#socket.conn);
  }

  /** Says CONNECT with the handshake. @throws BrokerError when the client is not let in */
  async open(): Promise<void> {
    if (!this.#inner.open()) throw new BrokerError('limit-exceeded', 'The server takes no more connections');
    const session = await this.#inner.connect();
    this.#client = { user: session.user ?? { name: null, roles: [] }, session, handshake: this.#handshake };
  }

  /** The client is in: its events count from now on. */
  async start(): Promise<void> {
    this.#socket.onAny((event, ...args) => {
      this.#waiting.push({ event, args, waitMs: this.#inner.admit(sizeOf(event, args)) });
      if (this.#waiting.length > MAX_WAITING) this.destroy();
      else if (!this.#isBusy) void this.#work();
    });
    const client = this.#client;
    const standing = client === null ? [] : (this.#mapping.subscriptions?.(client) ?? []);
    await this.#inner.subscribeAll(standing, (error, destination) => {
      this.#refuse('subscriptions', error, { destination });
    });
  }

  end(): void {
    this.#waiting = [];
    this.#inner.onClose();
  }

  pause(): void {
    // Socket.IO reads on; what it reads waits here.
  }

  resume(): void {
    // As pause.
  }

  /** A client that the server disconnects stays away; one whose transport closes comes back, as it is to after a deploy. */
  close({ code }: CloseReason): void {
    if (code === 'server-shutdown') {
      this.destroy();
      return;
    }
    // One that is not let in reads its refusal first and leaves by itself; Socket.IO's connectTimeout ends who does not.
    if (this.#socket.connected) this.#socket.disconnect(true);
  }

  destroy(): void {
    this.#socket.conn.close(true);
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#handle(next);
    this.#isBusy = false;
  }

  async #handle({ event, args, waitMs }: Waiting): Promise<void> {
    const last = args.at(-1);
    const acknowledge = typeof last === 'function' ? (last as Acknowledge) : null;
    const values = acknowledge === null ? args : args.slice(0, -1);
    let action: SocketIoAction | undefined;
    try {
      if (waitMs > 0) throw new BrokerError('rate-limited', 'Too many events', { retryAfterMs: waitMs });
      const handler = Object.hasOwn(this.#mapping.events, event) ? this.#mapping.events[event] : undefined;
      if (handler === undefined || this.#client === null) throw new Error(`Unknown event: ${event.slice(0, 100)}`);
      const meant = await handler(this.#client, ...values);
      const actions: readonly SocketIoAction[] = meant === undefined ? [] : 'type' in meant ? [meant] : meant;
      for (action of actions) await this.#inner.act(action);
      acknowledge?.({ status: 'ok' });
    } catch (error) {
      const { code, message } = this.#refuse(event, error, { action, args: values });
      acknowledge?.({ status: 'error', code, message });
    }
  }

  #refuse(event: string, error: unknown, fields: object): { readonly code: string; readonly message: string } {
    this.#onRefused(event);
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof BrokerError ? error.code : 'invalid-event';
    this.#host.logger.debug({ session: this.#client?.session.id, event, code, ...fields }, message);
    return { code, message };
  }

  #onMessage(message: GatewayMessage): void {
    const rendered = this.#client === null ? undefined : this.#mapping.render(message, this.#client);
    if (rendered !== undefined) this.#socket.emit(rendered.event, ...rendered.args);
  }
}

/** Octets of an event, near enough: what was parsed is there only as values. A stack, as nesting is the client's to choose. */
function sizeOf(event: string, args: readonly unknown[]): number {
  let bytes = event.length;
  const left: unknown[] = [...args];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string' || Buffer.isBuffer(value)) bytes += value.length;
    else if (typeof value !== 'object' || value === null) bytes += 4;
    else {
      for (const [name, inner] of Object.entries(value)) {
        bytes += name.length;
        left.push(inner);
      }
    }
  }
  return bytes;
}
