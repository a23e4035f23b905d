/**
 * What travels between the broker's process and a worker: records of a fixed head and a payload (DESIGN.md, 3).
 * Head: type (1 octet), flag (1), number of the connection (4), length of the payload (4), the last two little-endian.
 */

/** Told in `hello`; both ends are of one release, so another number means that the installation was changed underneath. */
export const LINK_VERSION = 2;

export const RecordType = {
  /** First in each direction; the number is LINK_VERSION. */
  hello: 1,
  /** How many octets of the link its sender has dealt with so far, as a double. */
  processed: 2,

  /** Worker → broker. A connection was made: JSON of OpenedConnection. */
  open: 3,
  /** Octets of the client; flag 1: they end a WebSocket text message. May arrive cut into several. */
  data: 4,
  /** What waits in the worker for the client, in octets (4, little-endian); 0: all has left. */
  buffered: 5,
  /** The connection is gone; the payload says why, when it was a fault. */
  closed: 6,
  /** JSON of the addresses: the worker listens. */
  ready: 7,
  /** The worker cannot listen: one line for people. */
  failed: 8,

  /** Broker → worker. JSON of WorkerSetup. */
  setup: 9,
  /** Framed octets for the client: one write, never interrupted by the worker's own control frames. */
  write: 10,
  /** JSON of a CloseReason. */
  close: 11,
  destroy: 12,
  /** The broker does not take the connection. */
  refuse: 13,
  /** Flag 1: stop reading from the client; 0: go on. */
  flow: 14,
  /** No new connections. */
  stopAccepting: 15,
  /** Close what is left, and exit. */
  leave: 16,
  /** The octets of the last `write`, to whomever that was, once more. */
  repeat: 17,

  /** Worker → broker. The client has ended its side; is anything owed to it? Answered by `answered`. */
  ended: 18,
  /** Broker → worker. Nothing is owed any more. */
  answered: 19,

  /** Broker → worker. How is it? Flag 1: and garbage is to be collected first. */
  ask: 20,
  /** Worker → broker. JSON of WorkerReport: when it is asked, and when something became short. */
  report: 21,
} as const;

export type RecordType = (typeof RecordType)[keyof typeof RecordType];

export const HEAD_BYTES = 10;
const LAST_TYPE = RecordType.report;
/** Beyond what any limit lets through: whatever claims it is not a record. */
const MAX_PAYLOAD_BYTES = 1024 * 1024 * 1024;

export interface RecordHead {
  readonly type: RecordType;
  readonly flag: number;
  readonly number: number;
  readonly payloadBytes: number;
}

/** Returns the position behind the head. */
export function writeRecordHead(target: Buffer, at: number, head: RecordHead): number {
  target[at] = head.type;
  target[at + 1] = head.flag;
  target.writeUInt32LE(head.number, at + 2);
  return target.writeUInt32LE(head.payloadBytes, at + 6);
}

/** Receives records in order. A payload is a view of memory that is not written again. */
export interface RecordSink {
  onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void;
}

/** The other end does not speak this protocol: nothing that follows can be trusted. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
}

const NOTHING = Buffer.alloc(0);

/** Octets, cut anywhere → records. Holds no more than one record that is not whole yet, and none of `data`. */
export class RecordReader {
  /** Octets of all that was handed to the sink. */
  readBytes = 0;
  readonly #sink: RecordSink;
  /** Of a head that was cut. */
  #headPart: Buffer = NOTHING;
  #type: RecordType = RecordType.hello;
  #flag = 0;
  #number = 0;
  /** Octets of the current payload that are not here yet; -1 between records. */
  #missingBytes = -1;
  /** Where a cut payload is put together; null for `data`, which is passed on as it comes. */
  #payload: Buffer | null = null;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** @throws LinkError */
  push(chunk: Buffer): void {
    let at = this.#missingBytes >= 0 ? this.#continue(chunk, 0) : 0;
    if (this.#headPart.length > 0) at = this.#completeHead(chunk);
    while (this.#missingBytes < 0 && chunk.length - at >= HEAD_BYTES) {
      this.#readHead(chunk, at);
      at = this.#continue(chunk, at + HEAD_BYTES);
    }
    if (this.#missingBytes < 0 && at < chunk.length) this.#headPart = chunk.subarray(at);
  }

  #completeHead(chunk: Buffer): number {
    const before = this.#headPart.length;
    const head = Buffer.concat([this.#headPart, chunk.subarray(0, HEAD_BYTES - before)]);
    if (head.length < HEAD_BYTES) {
      this.#headPart = head;
      return chunk.length;
    }
    this.#headPart = NOTHING;
    this.#readHead(head, 0);
    return this.#continue(chunk, HEAD_BYTES - before);
  }

  #readHead(octets: Buffer, at: number): void {
    const type = octets[at] ?? 0;
    const payloadBytes = octets.readUInt32LE(at + 6);
    if (type === 0 || type > LAST_TYPE || payloadBytes > MAX_PAYLOAD_BYTES) {
      throw new LinkError(`got a record of type ${type} and ${payloadBytes} octets, which no worker or broker sends`);
    }
    this.#type = type as RecordType;
    this.#flag = octets[at + 1] ?? 0;
    this.#number = octets.readUInt32LE(at + 2);
    this.#missingBytes = payloadBytes;
    this.readBytes += HEAD_BYTES;
  }

  /** Takes what `chunk` has of the current payload; returns the position behind it. */
  #continue(chunk: Buffer, at: number): number {
    const takenBytes = Math.min(this.#missingBytes, chunk.length - at);
    const end = at + takenBytes;
    const isWhole = takenBytes === this.#missingBytes;
    if (this.#payload === null && !isWhole && this.#type !== RecordType.data) {
      this.#payload = Buffer.allocUnsafeSlow(this.#missingBytes);
    }
    const payload = this.#payload;
    if (payload !== null) chunk.copy(payload, payload.length - this.#missingBytes, at, end);
    this.#missingBytes -= takenBytes;
    if (isWhole) {
      this.#missingBytes = -1;
      this.#payload = null;
      this.#hand(this.#flag, payload ?? chunk.subarray(at, end));
    } else if (payload === null && takenBytes > 0) {
      this.#hand(0, chunk.subarray(at, end));
    }
    return end;
  }

  #hand(flag: number, payload: Buffer): void {
    this.readBytes += payload.length;
    this.#sink.onRecord(this.#type, flag, this.#number, payload);
  }
}
