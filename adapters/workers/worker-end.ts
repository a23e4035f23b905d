/**
 * A worker's end of the link: shows the broker the connections that the worker's transports accept, and does with their
 * sockets what the broker says. Knows no STOMP.
 */
import type { Socket } from 'node:net';
import { closeReason, type CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Framing, ListenAddress } from '../../broker/ports.js';
import { RecordType } from './link-codec.js';
import { decodeJson, encodeJson, type OpenedConnection, type WorkerReport, type WorkerSetup } from './link-messages.js';
import { Link, UNCOPIED_BYTES, type LinkHandler } from './link.js';
import { ServedConnection, type ServedConnectionOwner } from './served-connection.js';

/** So much of the clients' octets may be on its way to the broker; above it whoever sends more is not read. */
const WINDOW_BYTES = 1024 * 1024;
/** As transports answer a connection that the broker does not take: "Try again later", SockJS in its own code. */
const REFUSED_TEXT = 'Try again later';
const REFUSED_STATUS = 1013;
const SOCKJS_REFUSED_STATUS = 1002;
const NOTHING = Buffer.alloc(0);
const MAX_TOLD_BYTES = 2 ** 32 - 1;

export interface WorkerEndOwner {
  readonly framings: Readonly<Record<string, Framing>>;
  onSetup(setup: WorkerSetup<unknown>): void;
  onStopAccepting(): void;
  onLeave(): void;
  /** The broker wants to know how this process is. @param collects garbage is to be collected first */
  onAsk(collects: boolean): WorkerReport;
  /** The broker is gone. */
  onLinkEnd(cause?: Error): void;
}

export class WorkerEnd implements LinkHandler, ServedConnectionOwner {
  readonly #owner: WorkerEndOwner;
  readonly #link: Link;
  readonly #framingNames: ReadonlyMap<Framing, string>;
  readonly #connections = new Map<number, ServedConnection>();
  #lastNumber = 0;
  /** Those that have something buffered, or had, and the broker does not know. */
  #changed: ServedConnection[] = [];
  /** Not read for as long as the window is full. */
  #pausedByLink: ServedConnection[] = [];
  /** Of the last write, for those that get the same. */
  #lastWrite: Buffer = NOTHING;

  constructor(socket: Socket, owner: WorkerEndOwner) {
    this.#owner = owner;
    this.#framingNames = new Map(Object.entries(owner.framings).map(([name, framing]) => [framing, name]));
    this.#link = new Link(socket, this);
  }

  ready(addresses: readonly ListenAddress[]): void {
    this.#link.send(RecordType.ready, 0, 0, encodeJson(addresses));
  }

  report(report: WorkerReport): void {
    this.#link.send(RecordType.report, 0, 0, encodeJson(report));
  }

  failed(text: string): void {
    this.#link.send(RecordType.failed, 0, 0, Buffer.from(text));
  }

  /** For the transports. */
  readonly accept = (connection: Connection): ConnectionListener => {
    const number = this.#nextNumber();
    const framing = this.#framingNames.get(connection.framing);
    if (framing === undefined) throw new Error(`a ${connection.transport} connection has a framing without a name`);
    const { transport, remoteAddress } = connection;
    const opened: OpenedConnection = { transport, remoteAddress, framing, handshake: connection.takeHandshake() };
    const served = new ServedConnection(number, connection, this);
    this.#connections.set(number, served);
    this.#link.send(RecordType.open, 0, number, encodeJson(opened));
    return served;
  };

  /** Numbers are not used again while records for their last owner may be under way, which is long over after 2^32. */
  #nextNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) % 2 ** 32;
    while (this.#connections.has(this.#lastNumber));
    return this.#lastNumber;
  }

  // ——— What connections tell ———

  onData(served: ServedConnection, chunk: Buffer, endsMessage: boolean): void {
    this.#link.sendUncopied(RecordType.data, endsMessage ? 1 : 0, served.number, chunk);
    if (this.#link.unprocessedBytes <= WINDOW_BYTES || served.isPausedByLink) return;
    served.pauseByLink(true);
    this.#pausedByLink.push(served);
  }

  onBufferedChange(served: ServedConnection): void {
    if (served.isListed || !this.#connections.has(served.number)) return;
    served.isListed = true;
    this.#changed.push(served);
    this.#link.flushLater();
  }

  onEnded(served: ServedConnection): void {
    this.#link.send(RecordType.ended, 0, served.number);
  }

  onGone(served: ServedConnection, cause: Error | undefined): void {
    if (!this.#connections.delete(served.number)) return;
    const text = cause === undefined ? undefined : Buffer.from(cause.message || 'connection lost');
    this.#link.send(RecordType.closed, 0, served.number, text);
  }

  // ——— What the link tells ———

  onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void {
    if (type === RecordType.setup) {
      const setup = decodeJson(payload) as WorkerSetup<unknown>;
      this.#link.tellEveryBytes = setup.tellEveryBytes;
      this.#owner.onSetup(setup);
    } else if (type === RecordType.stopAccepting) {
      this.#owner.onStopAccepting();
    } else if (type === RecordType.leave) {
      this.#owner.onLeave();
    } else if (type === RecordType.ask) {
      this.report(this.#owner.onAsk(flag === 1));
    } else {
      // Also for one that is gone: it may be repeated to others.
      if (type === RecordType.write) this.#lastWrite = payload;
      else if (type === RecordType.repeat) this.#link.countDone(this.#lastWrite.length);
      const served = this.#connections.get(number);
      // Gone meanwhile: the broker has been told, and will know when it reads on.
      if (served !== undefined) this.#serve(served, type, flag, payload);
    }
  }

  #serve(served: ServedConnection, type: RecordType, flag: number, payload: Buffer): void {
    const { connection } = served;
    switch (type) {
      case RecordType.write:
      case RecordType.repeat:
        this.#write(served, this.#lastWrite);
        return;
      case RecordType.flow:
        served.pauseByBroker(flag === 1);
        return;
      case RecordType.close:
        connection.close(decodeJson(payload) as CloseReason);
        return;
      case RecordType.destroy:
        connection.destroy(decodeJson(payload) as CloseReason);
        return;
      case RecordType.answered:
        served.answered();
        return;
      case RecordType.refuse:
        this.#refuse(connection);
    }
  }

  #write(served: ServedConnection, octets: Buffer): void {
    const { connection } = served;
    // What waits for a slow client must not keep all that was read from the link together with it.
    const isPinning = octets.length < UNCOPIED_BYTES && connection.bufferedBytes > 0;
    connection.write(isPinning ? Buffer.from(octets) : octets);
    if (connection.bufferedBytes > 0) this.onBufferedChange(served);
  }

  #refuse(connection: Connection): void {
    const { transport } = connection;
    if (transport === 'tcp' || transport === 'tls') {
      connection.destroy(closeReason('refused'));
      return;
    }
    const isHttp = transport.startsWith('sockjs-') && transport !== 'sockjs-websocket';
    const webSocketStatus = isHttp ? SOCKJS_REFUSED_STATUS : REFUSED_STATUS;
    connection.close({ code: 'refused', webSocketStatus, text: REFUSED_TEXT });
  }

  onProcessed(): void {
    if (this.#pausedByLink.length === 0 || this.#link.unprocessedBytes > WINDOW_BYTES / 2) return;
    const paused = this.#pausedByLink;
    this.#pausedByLink = [];
    for (const served of paused) served.pauseByLink(false);
  }

  /** Before the broker is told how far this end is: it must not take for gone what waits here. */
  onFlush(): void {
    if (this.#changed.length === 0) return;
    const changed = this.#changed;
    this.#changed = [];
    for (const served of changed) {
      served.isListed = false;
      const bufferedBytes = Math.min(served.connection.bufferedBytes, MAX_TOLD_BYTES);
      if (bufferedBytes === 0 && !served.isToldBuffered) continue;
      served.isToldBuffered = bufferedBytes > 0;
      const payload = Buffer.allocUnsafe(4);
      payload.writeUInt32LE(bufferedBytes);
      this.#link.send(RecordType.buffered, 0, served.number, payload);
    }
  }

  onEnd(cause?: Error): void {
    this.#owner.onLinkEnd(cause);
  }
}
