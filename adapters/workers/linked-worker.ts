/**
 * The broker's end of one worker's link: makes connections of its records, and knows when the worker cannot follow.
 */
import type { Socket } from 'node:net';
import type { AcceptConnection, Framing, ListenAddress } from '../../broker/ports.js';
import { RecordType } from './link-codec.js';
import {
  decodeJson,
  encodeJson,
  type OpenedConnection,
  type ReadyWorker,
  type WorkerReport,
  type WorkerSetup,
} from './link-messages.js';
import { Link, type LinkHandler } from './link.js';
import { LastWrite } from './last-write.js';
import { LinkedConnection, type ConnectionLink } from './linked-connection.js';

/**
 * So much may be on its way to a worker: some milliseconds of its work, and hundreds of clients' shares. Above it nothing
 * is added until half of it has been dealt with.
 */
const CONGESTED_ABOVE_BYTES = 8 * 1024 * 1024;
const FREE_BELOW_BYTES = CONGESTED_ABOVE_BYTES / 2;

export interface LinkedWorkerOwner {
  readonly accept: AcceptConnection;
  readonly framings: Readonly<Record<string, Framing>>;
  onReady(worker: LinkedWorker, addresses: readonly ListenAddress[]): void;
  /** It cannot listen; the text is for people. */
  onFailed(worker: LinkedWorker, text: string): void;
  onReport(worker: LinkedWorker, report: WorkerReport): void;
  /** More is on its way to it than it deals with, or no longer. */
  onCongestion(worker: LinkedWorker): void;
  /** The link is broken, and every connection on it has ended. */
  onLinkEnd(worker: LinkedWorker): void;
}

export class LinkedWorker implements ConnectionLink, LinkHandler {
  isCongested = false;
  /** How many connections ended with the link. */
  lostConnections = 0;
  readonly #owner: LinkedWorkerOwner;
  readonly #link: Link;
  readonly #connections = new Map<number, LinkedConnection>();
  #flowChanges: LinkedConnection[] = [];
  /** Those that wait for `processedBytes` to reach `#drainEnds` at the same place, which only ever grow. */
  #draining: LinkedConnection[] = [];
  #drainEnds: number[] = [];
  #drained = 0;
  #hasEnded = false;
  readonly #last = new LastWrite();

  constructor(socket: Socket, owner: LinkedWorkerOwner) {
    this.#owner = owner;
    this.#link = new Link(socket, this);
  }

  get sentBytes(): number {
    return this.#link.sentBytes;
  }

  get processedBytes(): number {
    return this.#link.processedBytes;
  }

  setUp(setup: WorkerSetup<object>): void {
    this.#link.send(RecordType.setup, 0, 0, encodeJson(setup));
  }

  /** It reports how it is. @param collects has it collect garbage before, as far as it likes to */
  ask(collects: boolean): void {
    this.#link.send(RecordType.ask, collects ? 1 : 0, 0);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  stopAccepting(): void {
    this.#link.send(RecordType.stopAccepting, 0, 0);
  }

  leave(): void {
    this.#link.send(RecordType.leave, 0, 0);
    this.#link.flush();
  }

  hold(): void {
    this.#link.hold();
  }

  release(): void {
    this.#link.release();
  }

  /** Breaks the link. */
  destroy(): void {
    this.#link.destroy();
  }

  // ——— What connections ask for ———

  write(number: number, octets: Uint8Array): boolean {
    if (this.#last.isOne(octets)) return this.#repeat(number);
    this.#last.rememberOne(octets);
    const isKept = this.#link.sendUncopied(RecordType.write, 0, number, octets);
    this.#written();
    return isKept;
  }

  writeParts(number: number, parts: readonly Uint8Array[]): boolean {
    if (this.#last.areParts(parts)) return this.#repeat(number);
    this.#last.rememberParts(parts);
    const isKept = this.#link.sendParts(RecordType.write, 0, number, parts);
    this.#written();
    return isKept;
  }

  send(type: RecordType, flag: number, number: number, payload?: Uint8Array): void {
    this.#link.send(type, flag, number, payload);
  }

  flowChanged(connection: LinkedConnection): void {
    this.#flowChanges.push(connection);
    // Many frames are dealt with within the turn, and there is nothing to tell.
    this.#link.flushLater();
  }

  awaitDrain(connection: LinkedConnection): void {
    this.#draining.push(connection);
    this.#drainEnds.push(this.#link.sentBytes);
  }

  // ——— What the link tells ———

  onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void {
    switch (type) {
      case RecordType.data:
        this.#connections.get(number)?.onBytes(payload, flag === 1);
        return;
      case RecordType.buffered:
        this.#connections.get(number)?.onBuffered(payload.readUInt32LE(0));
        return;
      case RecordType.ended:
        this.#connections.get(number)?.onEnd();
        return;
      case RecordType.open:
        this.#open(number, decodeJson(payload) as OpenedConnection);
        return;
      case RecordType.closed:
        this.#closed(number, payload);
        return;
      case RecordType.ready:
        this.#owner.onReady(this, decodeJson(payload) as ReadyWorker);
        return;
      case RecordType.report:
        this.#owner.onReport(this, decodeJson(payload) as WorkerReport);
        return;
      case RecordType.failed:
        this.#owner.onFailed(this, payload.toString());
    }
  }

  onProcessed(): void {
    const { processedBytes } = this.#link;
    // Only those that are there now: one that is still waiting goes to the end.
    const end = this.#draining.length;
    while (this.#drained < end && (this.#drainEnds[this.#drained] ?? 0) <= processedBytes) {
      this.#draining[this.#drained++]?.settleDrain();
    }
    if (this.#drained * 2 > this.#draining.length) {
      this.#draining = this.#draining.slice(this.#drained);
      this.#drainEnds = this.#drainEnds.slice(this.#drained);
      this.#drained = 0;
    }
    if (!this.isCongested || this.#link.unprocessedBytes > FREE_BELOW_BYTES) return;
    this.isCongested = false;
    for (const connection of this.#connections.values()) connection.onLinkDrain();
    this.#owner.onCongestion(this);
  }

  onFlush(): void {
    // While others wait for room, it is most likely for the same.
    if (!this.isCongested) this.#last.forget();
    if (this.#flowChanges.length === 0) return;
    const changes = this.#flowChanges;
    this.#flowChanges = [];
    for (const connection of changes) connection.sendFlow();
  }

  onEnd(cause?: Error): void {
    this.#hasEnded = true;
    this.lostConnections = this.#connections.size;
    const lost = new Error('the worker process that held the connection is gone', { cause });
    for (const connection of this.#connections.values()) connection.onClose(lost);
    this.#connections.clear();
    this.#draining = [];
    this.#drainEnds = [];
    this.#drained = 0;
    this.isCongested = false;
    this.#owner.onLinkEnd(this);
  }

  /** What the worker has as its last write goes to one more of its clients: nothing of it crosses the link again. */
  #repeat(number: number): boolean {
    this.#link.send(RecordType.repeat, 0, number);
    this.#link.countSent(this.#last.lengthBytes);
    this.#written();
    return false;
  }

  #written(): void {
    this.#link.flushSoon();
    if (this.isCongested || this.#hasEnded || this.#link.unprocessedBytes <= CONGESTED_ABOVE_BYTES) return;
    this.isCongested = true;
    this.#owner.onCongestion(this);
  }

  #open(number: number, { transport, remoteAddress, framing: name, handshake }: OpenedConnection): void {
    const framing = this.#owner.framings[name];
    if (framing === undefined) throw new Error(`a worker names the framing ${JSON.stringify(name)}`);
    const connection = new LinkedConnection(this, { number, transport, remoteAddress, framing, handshake });
    const listener = this.#owner.accept(connection);
    if (listener === null) {
      this.#link.send(RecordType.refuse, 0, number);
      return;
    }
    connection.start(listener);
    this.#connections.set(number, connection);
  }

  #closed(number: number, cause: Buffer): void {
    const connection = this.#connections.get(number);
    this.#connections.delete(number);
    connection?.onClose(cause.length === 0 ? undefined : new Error(cause.toString()));
  }
}
