/**
 * Frames for servers that do as little as can be: cut out of a stream as text while they are few, then merely counted.
 * Well-formed input only, of this bench's own clients.
 */

const NUL = 0;

export class FrameCutter {
  readonly #isWebSocket: boolean;
  #isCounting = false;
  #rest: Buffer = Buffer.alloc(0);
  /** Octets still to come of the WebSocket message that is being skipped. */
  #skip = 0;

  constructor(isWebSocket: boolean) {
    this.#isWebSocket = isWebSocket;
  }

  /** From the frame that is being handed over on, which counts as the first. */
  countOnly(): void {
    this.#isCounting = true;
  }

  /**
   * @param onText gets each frame until `countOnly`
   * @returns how many frames ended in these octets since then
   */
  push(octets: Buffer, onText: (frame: string) => void): number {
    const all = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const { count, end } = this.#isWebSocket ? this.#pushMessages(all, onText) : this.#pushFrames(all, onText);
    this.#rest = end >= all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(end));
    return count;
  }

  #pushFrames(octets: Buffer, onText: (frame: string) => void): { count: number; end: number } {
    let count = 0;
    let start = 0;
    for (let at = octets.indexOf(NUL); at >= 0; at = octets.indexOf(NUL, start)) {
      if (!this.#isCounting) onText(octets.toString('latin1', start, at).trimStart());
      if (this.#isCounting) count++;
      start = at + 1;
    }
    // A frame that is only counted need not be kept until its end.
    return { count, end: this.#isCounting ? octets.length : start };
  }

  #pushMessages(octets: Buffer, onText: (frame: string) => void): { count: number; end: number } {
    let count = 0;
    let at = 0;
    if (this.#skip > 0) {
      at = Math.min(this.#skip, octets.length);
      this.#skip -= at;
      if (this.#skip > 0) return { count, end: at };
      count++;
    }
    for (;;) {
      const head = readHead(octets, at);
      if (head === null) return { count, end: at };
      const end = head.start + head.length;
      if (!this.#isCounting) {
        if (end > octets.length) return { count, end: at };
        const text = unmask(octets, head.start, end);
        if (text.length > 1) onText(text);
      }
      if (this.#isCounting) {
        if (end > octets.length) {
          this.#skip = end - octets.length;
          return { count, end: octets.length };
        }
        count++;
      }
      at = end;
    }
  }
}

/** Where the payload of the message at `at` begins, behind its mask; null until the head is whole. */
function readHead(octets: Buffer, at: number): { start: number; length: number } | null {
  if (octets.length - at < 6) return null;
  const short = (octets[at + 1] ?? 0) & 127;
  if (short < 126) return { start: at + 6, length: short };
  if (short === 126) return octets.length - at < 8 ? null : { start: at + 8, length: octets.readUInt16BE(at + 2) };
  return octets.length - at < 14 ? null : { start: at + 14, length: octets.readUIntBE(at + 4, 6) };
}

function unmask(octets: Buffer, start: number, end: number): string {
  const payload = Buffer.from(octets.subarray(start, end));
  for (let k = 0; k < payload.length; k++) payload[k] = (payload[k] ?? 0) ^ (octets[start - 4 + (k & 3)] ?? 0);
  return payload.toString('latin1');
}

function headerOf(frame: string, name: string): string {
  return new RegExp(`\\n${name}:(.*)`).exec(frame)?.[1] ?? '';
}

export function subscriptionOf(frame: string): { destination: string; receipt: string } {
  return { destination: headerOf(frame, 'destination'), receipt: headerOf(frame, 'receipt') };
}

/** The MESSAGE that a SEND becomes, as long as a broker's would be. */
export function messageOf(send: string): { destination: string; frame: Buffer } {
  const rest = send.slice(send.indexOf('\n') + 1).replace(/\0$/, '');
  const frame = Buffer.from(`MESSAGE\nsubscription:sub-0\nmessage-id:1000001-100000001\n${rest}\0`, 'latin1');
  return { destination: headerOf(send, 'destination'), frame };
}

/** One unmasked text message. */
export function toWebSocketFrame(payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126
      ? [0x81, length]
      : length < 65_536
        ? [0x81, 126, length >>> 8, length & 0xff]
        : [0x81, 127, 0, 0, 0, 0];
  if (length < 65_536) return Buffer.concat([Buffer.from(header), payload]);
  const long = Buffer.alloc(10);
  Buffer.from(header).copy(long);
  long.writeUInt32BE(length, 6);
  return Buffer.concat([long, payload]);
}
