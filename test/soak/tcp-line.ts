/** STOMP 1.0, 1.1 or 1.2 over a plain socket, with heart-beats that find a half-open connection. */
import { connect, type Socket } from 'node:net';
import { connectHeaders, frameHead, type Version } from '../helpers/raw-client.js';
import { header, readServerFrames, type ServerFrame } from '../helpers/server-frames.js';
import { type HeaderMap, Line, type LineSpec, type OnReceipt, type Received, type Subscribing } from './line.js';

export class TcpLine extends Line {
  readonly #version: Version;
  readonly #socket: Socket;
  readonly #subscriptions = new Map<string, Subscribing>();
  readonly #spec: LineSpec;
  #octets: Buffer = Buffer.alloc(0);
  #beat: NodeJS.Timeout | null = null;
  #lastReadMs = Date.now();

  constructor(version: Version, spec: LineSpec) {
    super(`tcp-${version}`);
    this.#version = version;
    this.#spec = spec;
    this.#socket = connect({ port: spec.tcpPort, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (octets) => {
      this.#onData(octets);
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      if (this.#beat !== null) clearInterval(this.#beat);
      this.over();
    });
    const { login, passcode, clientId, beatMs } = spec;
    this.#write('CONNECT', {
      ...connectHeaders(version, version === '1.0' ? {} : { 'heart-beat': `${beatMs},${beatMs}` }),
      ...(login === undefined ? {} : { login, passcode: passcode ?? '' }),
      ...(clientId === undefined ? {} : { 'client-id': clientId }),
    });
  }

  send(destination: string, headers: HeaderMap, body: string, onReceipt?: OnReceipt): void {
    this.#write('SEND', { destination, ...headers, ...this.#receipt(onReceipt) }, body);
  }

  subscribe(destination: string, subscribing: Subscribing): string {
    const id = this.nextId();
    this.#subscriptions.set(id, subscribing);
    const { ack, headers, onReceipt } = subscribing;
    this.#write('SUBSCRIBE', { id, destination, ack, ...headers, ...this.#receipt(onReceipt) });
    return id;
  }

  unsubscribe(id: string, headers: HeaderMap = {}): void {
    this.#write('UNSUBSCRIBE', { id, ...headers });
  }

  settle(
    verb: 'ACK' | 'NACK',
    subscription: string,
    message: Received,
    headers: HeaderMap,
    onReceipt?: OnReceipt,
  ): void {
    const named =
      this.#version === '1.2'
        ? { id: message.header('ack') ?? '' }
        : { 'message-id': message.header('message-id') ?? '', ...(this.#version === '1.1' ? { subscription } : {}) };
    this.#write(verb, { ...named, ...headers, ...this.#receipt(onReceipt) });
  }

  transact(verb: 'BEGIN' | 'COMMIT' | 'ABORT', transaction: string, onReceipt?: OnReceipt): void {
    this.#write(verb, { transaction, ...this.#receipt(onReceipt) });
  }

  async leave(): Promise<void> {
    this.#write(
      'DISCONNECT',
      this.#receipt(() => this.#socket.end()),
    );
    await this.ended;
  }

  drop(): void {
    this.#socket.destroy();
  }

  #receipt(onReceipt: OnReceipt | undefined): HeaderMap {
    return onReceipt === undefined ? {} : { receipt: this.expect(onReceipt) };
  }

  #write(command: string, headers: HeaderMap, body = ''): void {
    if (this.hasEnded) return;
    this.wrote();
    this.#socket.write(`${frameHead(command, headers)}${body}\0`);
  }

  #onData(octets: Buffer): void {
    this.#lastReadMs = Date.now();
    const read = readServerFrames(
      this.#octets.length === 0 ? octets : Buffer.concat([this.#octets, octets]),
      this.#version,
    );
    this.#octets = Buffer.from(read.rest);
    for (const frame of read.frames) this.#onFrame(frame);
  }

  #onFrame(frame: ServerFrame): void {
    const valueOf = (name: string): string | undefined => header(frame, name);
    switch (frame.command) {
      case 'CONNECTED':
        this.#startBeating();
        this.connected();
        break;
      case 'RECEIPT':
        this.receipted(valueOf('receipt-id') ?? '', valueOf);
        break;
      case 'MESSAGE':
        this.received++;
        this.#subscriptions
          .get(valueOf('subscription') ?? '')
          ?.onMessage({ body: frame.body.toString(), header: valueOf });
        break;
      default:
        this.refused(valueOf('code') ?? 'unknown');
        this.#socket.end();
    }
  }

  #startBeating(): void {
    const { beatMs } = this.#spec;
    if (beatMs === 0 || this.#version === '1.0') return;
    this.#beat = setInterval(() => {
      if (Date.now() - this.#lastReadMs > 5 * beatMs) this.drop();
      else if (this.#socket.writable) this.#socket.write('\n');
    }, 0.8 * beatMs);
  }
}
