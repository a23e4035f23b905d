/**
 * Requests of many senders on one connection, in order: each asks for a receipt of its own, and stays here until that has
 * come. After an ERROR, which names nobody, they are sent again one by one, so that the guilty one shows itself.
 */
import type { BrokerError } from '../../../broker/errors.js';
import type { RelayLink, RelayRequest } from '../../../broker/ports.js';
import { serializeRequest } from './request-octets.js';
import type { UpstreamConnection, UpstreamEnd } from './upstream-connection.js';

interface Entry {
  /** Grows with each. */
  readonly number: number;
  readonly request: RelayRequest;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
  isWritten: boolean;
}

export interface PublishWindowParts {
  /** Unconfirmed octets above which senders are to wait. */
  readonly maxPendingBytes: number;
  /** Throws when nothing is to be taken on. */
  readonly assertAvailable: () => void;
  /** Requests nobody waited for that went down with a connection. */
  readonly onDropped: (requests: number) => void;
}

export class PublishWindow implements RelayLink {
  readonly #parts: PublishWindowParts;
  readonly #entries = new Set<Entry>();
  #connection: UpstreamConnection | null = null;
  /** Requests at the front that are sent one by one. */
  #suspects = 0;
  #pendingBytes = 0;
  #waiting: (() => void)[] = [];
  #lastNumber = 0;
  /** Who waits until everything up to a number is gone, in order of numbers. */
  #settling: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(parts: PublishWindowParts) {
    this.#parts = parts;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  submit(request: RelayRequest): Promise<void> | undefined {
    this.#parts.assertAvailable();
    const number = ++this.#lastNumber;
    const entry = { number, request: owned(request), bytes: weigh(request), isWritten: false };
    if (request.isAwaited) return new Promise((resolve, reject) => this.#add({ ...entry, resolve, reject }));
    this.#add({ ...entry, resolve: () => undefined, reject: request.onRefused });
    return undefined;
  }

  caughtUp(): Promise<void> | undefined {
    if (this.#pendingBytes <= this.#parts.maxPendingBytes) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  settled(): Promise<void> | undefined {
    if (this.#entries.size === 0) return undefined;
    return new Promise((resolve) => this.#settling.push({ upTo: this.#lastNumber, resolve }));
  }

  /** A connection is there: what waits is sent, suspects first and alone. */
  onUp(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#writeWaiting();
  }

  onDown({ error, isRefusal, wasConnected }: UpstreamEnd): void {
    this.#connection = null;
    if (!isRefusal || !wasConnected) {
      this.#giveUp(error);
      return;
    }
    const written = [...this.#entries].filter((entry) => entry.isWritten);
    // One alone can have caused it.
    const [guilty] = written;
    if (written.length === 1 && guilty !== undefined) {
      this.#suspects = Math.max(0, this.#suspects - 1);
      this.#remove(guilty);
      guilty.reject(error);
    } else this.#suspects = written.length;
    for (const entry of this.#entries) entry.isWritten = false;
  }

  /** Nobody knows what the external broker has taken. */
  #giveUp(error: BrokerError): void {
    const entries = [...this.#entries];
    this.#suspects = 0;
    for (const entry of entries) this.#remove(entry);
    const [awaited, others] = [entries.filter(isAwaited), entries.filter((entry) => !isAwaited(entry))];
    for (const entry of awaited) entry.reject(error);
    if (others.length > 0) this.#parts.onDropped(others.length);
  }

  #add(entry: Entry): void {
    this.#entries.add(entry);
    this.#pendingBytes += entry.bytes;
    if (this.#suspects === 0 && this.#connection !== null) this.#write(entry, this.#connection);
  }

  #writeWaiting(): void {
    const connection = this.#connection;
    if (connection === null) return;
    for (const entry of this.#entries) {
      if (!entry.isWritten) this.#write(entry, connection);
      if (this.#suspects > 0) return;
    }
  }

  #write(entry: Entry, connection: UpstreamConnection): void {
    entry.isWritten = true;
    const receipt = connection.askReceipt(() => {
      this.#confirm(entry);
    });
    connection.write(serializeRequest(entry.request, receipt, connection.version));
  }

  #confirm(entry: Entry): void {
    this.#remove(entry);
    entry.resolve();
    if (this.#suspects === 0) return;
    this.#suspects--;
    this.#writeWaiting();
  }

  #remove(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    this.#pendingBytes -= entry.bytes;
    if (this.#pendingBytes <= this.#parts.maxPendingBytes) for (const resolve of this.#waiting.splice(0)) resolve();
    const [oldest] = this.#entries;
    const open = oldest?.number ?? Infinity;
    while (this.#settling[0] !== undefined && this.#settling[0].upTo < open) this.#settling.shift()?.resolve();
  }
}

function isAwaited({ request }: Entry): boolean {
  return request.isAwaited;
}

function weigh({ frames }: RelayRequest): number {
  let bytes = 0;
  for (const { headers, body } of frames) {
    for (const [name, value] of headers) bytes += name.length + value.length + 2;
    bytes += body?.length ?? 0;
  }
  return bytes;
}

/** The octets of a body belong to a read chunk, and a request may have to be sent again. */
function owned({ frames, ...rest }: RelayRequest): RelayRequest {
  return {
    ...rest,
    frames: frames.map(({ command, headers, body }) => ({
      command,
      headers: [...headers],
      body: body === null ? null : Buffer.from(body),
    })),
  };
}
