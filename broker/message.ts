/**
 * One published message and its octets. Immutable to its readers; made once, shared by every delivery.
 * The tail (header lines, blank line, body, NUL) is what a MESSAGE frame holds behind the head of its subscription.
 * When the sender's octets mean the same in every version they are the tail; else one is built per version, at first need.
 */
import { isUtf8 } from 'node:buffer';
import { Headers, messageTail, type RawFrame, type StompVersion } from '../protocol/index.js';
import { isTrue } from './flag-value.js';
import type { MessageTerms } from './destinations/message-terms.js';

type Encode = (octets: Uint8Array) => Buffer;

const LF = Buffer.from('\n');
const VERSION_INDEX: Readonly<Record<StompVersion, number>> = { '1.0': 0, '1.1': 1, '1.2': 2 };
const VERSIONS = 3;
/** What a history says of a message; nobody else may. */
const HISTORY_HEADERS: ReadonlySet<string> = new Set(['epoch', 'offset', 'recovered']);
const HISTORY_LINES: readonly Buffer[] = [...HISTORY_HEADERS].map((name) => Buffer.from(`\n${name}:`));

/** Never relayed: the server's own words, or meant for the server alone (conformance S-20, S-21). */
const STRIPPED: ReadonlySet<string> = new Set([
  'receipt',
  'transaction',
  'subscription',
  'message-id',
  'ack',
  'redelivered',
  'content-length',
  'simpOrigDestination',
]);
/** Relayed once, however often the sender repeats them. */
const SINGLE: ReadonlySet<string> = new Set(['destination', 'content-type']);

export class Message {
  /** Number in this node's message-ids, and the same as the digits that go on the wire. */
  readonly id: number;
  readonly idDigits: string;
  /** The plain tail; for a message that needs escaping, the body. */
  octets: Buffer;
  /** Set by the queue that takes the message on; null elsewhere. */
  terms: MessageTerms | null = null;
  /** A store keeps it until it is settled. */
  isStored = false;
  /** The session that sent it, where that is known: not on the plain path, nor of the application's own. */
  originId: string | null = null;
  /** Length of the body. */
  readonly bodyBytes: number;
  /** What this message weighs in an outbox or a queue, in octets: near the size of its tail. */
  readonly weightBytes: number;
  readonly #headers: Headers | null;
  /** By version, then by version for the encoded form; made lazily. */
  #variants: (Buffer | undefined)[] | null = null;
  #text: boolean | null = null;
  #owned: boolean;
  /** The message whose headers were last asked for, and these. One and weakly held: many wait, few are asked again. */
  static #lastMapped: WeakRef<Message> | null = null;
  static #lastMap: ReadonlyMap<string, string> = new Map();

  private constructor(id: number, octets: Buffer, bodyBytes: number, headers: Headers | null, isOwned: boolean) {
    this.id = id;
    this.idDigits = String(id);
    this.octets = octets;
    this.bodyBytes = bodyBytes;
    this.weightBytes = octets.length + (headers === null ? 0 : weighHeaders(headers));
    this.#headers = headers;
    this.#owned = isOwned;
  }

  /** From a SEND whose octets need no change but, at most, a content-length: nothing is decoded. */
  static fromPlain(id: number, raw: RawFrame): Message {
    const bodyBytes = raw.bodyEnd - raw.bodyStart;
    // One octet back is the LF of the command line.
    if (raw.contentLength >= 0) {
      return new Message(id, raw.buffer.subarray(raw.headersStart - 1, raw.end), bodyBytes, null, false);
    }
    const line = `content-length:${bodyBytes}\n`;
    const headerBytes = raw.headersEnd - raw.headersStart + 1;
    const octets = Buffer.allocUnsafe(headerBytes + line.length + raw.end - raw.headersEnd);
    raw.buffer.copy(octets, 0, raw.headersStart - 1, raw.headersEnd);
    octets.write(line, headerBytes, 'latin1');
    raw.buffer.copy(octets, headerBytes + line.length, raw.headersEnd, raw.end);
    return new Message(id, octets, bodyBytes, null, true);
  }

  /** From decoded headers: what may not be relayed is left out, the order is kept. */
  static fromHeaders(id: number, headers: Iterable<readonly [string, string]>, body: Buffer): Message {
    const relayed = new Headers();
    for (const [name, value] of headers) {
      if (STRIPPED.has(name) || (SINGLE.has(name) && relayed.has(name))) continue;
      relayed.append(name, value);
    }
    return new Message(id, body, body.length, relayed, false);
  }

  /** From a tail that `fromPlain` made. @param isOwned the octets belong to the message */
  static fromTail(id: number, octets: Buffer, bodyBytes: number, isOwned = true): Message {
    return new Message(id, octets, bodyBytes, null, isOwned);
  }

  /** From headers that may be relayed, all of them. @param isOwned the body belongs to the message */
  static fromRelayed(id: number, headers: Headers, body: Buffer, isOwned = true): Message {
    return new Message(id, body, body.length, headers, isOwned);
  }

  /** Null for a message relayed octet by octet, which has no header that the server acts on. */
  get decodedHeaders(): Headers | null {
    return this.#headers;
  }

  /** Whether the sender wants it stored. */
  get isPersistent(): boolean {
    return isTrue(this.#headers?.get('persistent'));
  }

  /** Whether the octets are this message's own rather than part of a read chunk. */
  get isOwned(): boolean {
    return this.#owned;
  }

  /** Whether the body is valid UTF-8, so that the frame may be a WebSocket text message (headers always are). */
  get isText(): boolean {
    if (this.#text === null) {
      this.#text = isUtf8(this.#headers === null ? this.#plainBody() : this.octets);
    }
    return this.#text;
  }

  /**
   * The tail for one version, rewritten by `encode` when the connection's framing has one. It begins with the LF that ends
   * the head.
   */
  tail(version: StompVersion, encode: Encode | null): Buffer {
    if (encode === null && this.#headers === null) return this.octets;
    this.#variants ??= [];
    const index = this.#headers === null ? 0 : VERSION_INDEX[version];
    if (encode === null) return (this.#variants[index] ??= this.#buildTail(version));
    // There is one encoding in the product (JSON, for SockJS), so it needs no key of its own.
    return (this.#variants[VERSIONS + index] ??= encode(this.#encodable(version)));
  }

  /**
   * Copies octets that belong to a read chunk: to be called when the message outlives the turn it arrived in, so that a
   * slow consumer or a queue does not keep 64 KB alive for a hundred octets.
   */
  own(): this {
    if (!this.#owned) {
      this.#owned = true;
      this.octets = Buffer.from(this.octets);
    }
    return this;
  }

  /**
   * The same message with its place in a history, in octets of its own: one copy, whatever the number of deliveries. What
   * the sender wrote into such headers is left out.
   * @param epoch letters, digits, `-` and `_` only
   */
  stamped(epoch: string, offset: number): Message {
    if (this.#headers === null && !this.#hasHistoryLines()) {
      return this.#stampedPlain(`\nepoch:${epoch}\noffset:${offset}`);
    }
    const { headers: given, body } = this.decode();
    const place: Iterable<readonly [string, string]> = Object.entries({ epoch, offset: String(offset) });
    const headers = new Headers([...relayedBeyondHistory(given), ...place]);
    const message = Message.fromRelayed(this.id, headers, Buffer.from(body));
    message.originId = this.originId;
    return message;
  }

  /** The same message without what only a history may say of it; this one when it says nothing of that. */
  unplaced(): Message {
    if (
      this.#headers === null ? !this.#hasHistoryLines() : ![...HISTORY_HEADERS].some((name) => this.#headers?.has(name))
    )
      return this;
    const { headers, body } = this.decode();
    return Message.fromRelayed(this.id, new Headers(relayedBeyondHistory(headers)), Buffer.from(body));
  }

  /** Whether octets that nobody has decoded hold a header of a history. */
  #hasHistoryLines(): boolean {
    const head = this.octets.subarray(0, this.octets.length - 1 - this.bodyBytes);
    return HISTORY_LINES.some((line) => head.includes(line));
  }

  #stampedPlain(lines: string): Message {
    const octets = Buffer.allocUnsafe(lines.length + this.octets.length);
    octets.write(lines, 0, 'latin1');
    octets.set(this.octets, lines.length);
    return Message.fromTail(this.id, octets, this.bodyBytes);
  }

  /** Headers and body, decoded: for interceptors. `content-length` is left out. */
  decode(): { readonly headers: Headers; readonly body: Buffer } {
    if (this.#headers !== null) return { headers: this.#headers, body: this.octets };
    const headers = new Headers();
    const bodyStart = this.octets.length - 1 - this.bodyBytes;
    // Plain octets: no escapes, nothing that a version would read otherwise.
    for (const line of this.octets.toString('utf8', 1, bodyStart - 2).split('\n')) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      if (name !== 'content-length') headers.append(name, line.slice(colon + 1));
    }
    return { headers, body: this.#plainBody() };
  }

  /** The first header of each name, decoded once for all who ask in a row; `content-length` is left out. */
  headerMap(): ReadonlyMap<string, string> {
    if (Message.#lastMapped?.deref() !== this) {
      Message.#lastMap = (this.#headers ?? this.decode().headers).toMap();
      Message.#lastMapped = new WeakRef(this);
    }
    return Message.#lastMap;
  }

  #plainBody(): Buffer {
    const end = this.octets.length - 1;
    return this.octets.subarray(end - this.bodyBytes, end);
  }

  #buildTail(version: StompVersion): Buffer {
    return messageTail(this.#headers as Headers, version, this.octets);
  }

  /**
   * A character stream cannot carry a body that is not UTF-8: its stray octets become U+FFFD, and content-length counts
   * what is really sent (conformance K-29).
   */
  #encodable(version: StompVersion): Uint8Array {
    if (this.isText) return this.tail(version, null);
    if (this.#headers !== null) return messageTail(this.#headers, version, Buffer.from(this.octets.toString()));
    const body = Buffer.from(this.#plainBody().toString());
    const lines = this.octets
      .toString('utf8', 0, this.octets.length - 2 - this.bodyBytes)
      .replace(/\ncontent-length:\d+\n/, '\n');
    return Buffer.concat([
      Buffer.from(lines),
      Buffer.from(`content-length:${body.length}`),
      LF,
      LF,
      body,
      Buffer.alloc(1),
    ]);
  }
}

/** Octets of header lines, near enough: a character counts as one. */
export function weighHeaders(headers: Iterable<readonly [string, string]>): number {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + value.length + 2;
  return bytes;
}

function relayedBeyondHistory(headers: Headers): (readonly [string, string])[] {
  return [...headers].filter(([name]) => !HISTORY_HEADERS.has(name));
}
