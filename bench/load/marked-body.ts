/**
 * Bodies that end in a mark, and counting them in a stream of octets whatever lies around them: STOMP, WebSocket, JSON.
 * Nothing is parsed; frames of one length, as those of one topic are, cost one comparison each.
 */

/** Stands in no header that a server here writes, and needs no escape in JSON. */
const MARK = '|';
const MARK_OCTET = MARK.charCodeAt(0);

export function markedBody(bytes: number): string {
  return `${'x'.repeat(bytes - 1)}${MARK}`;
}

export class MarkCounter {
  count = 0;
  readonly #bodyBytes: number;
  /** Where the last mark was, seen from the first octet of the next read. */
  #last = -1;
  /** Between the last two marks. */
  #stride = 0;

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes;
  }

  /** How many marks a read holds. */
  add(octets: Buffer): number {
    const { length } = octets;
    const before = this.count;
    let last = this.#last;
    for (;;) {
      let at = last + this.#stride;
      if (this.#stride === 0 || at >= length || octets[at] !== MARK_OCTET) {
        // What lies less than a body behind a mark is header: an octet there may be anything.
        const from = last + this.#bodyBytes;
        at = from < length ? octets.indexOf(MARK_OCTET, Math.max(0, from)) : -1;
        if (at < 0) break;
        this.#stride = at - last;
      }
      last = at;
      this.count++;
    }
    this.#last = last - length;
    return this.count - before;
  }
}
