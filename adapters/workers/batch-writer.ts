/**
 * Gathers small pieces into large ones for one stream. Memory goes round: a piece that the system took at once is
 * written over, others come back when they have left.
 */
import type { Socket } from 'node:net';

const ARENA_BYTES = 256 * 1024;
/** Handed to the stream when so much is there: the other end begins while this one still gathers. */
const PIECE_BYTES = 64 * 1024;
/** Arenas kept for the next backlog. */
const MAX_SPARE = 8;

const NOTHING = Buffer.alloc(0);

export class BatchWriter {
  readonly #socket: Socket;
  #arena: Buffer = NOTHING;
  /** What lies before belongs to the stream. */
  #from = 0;
  #at = 0;
  readonly #spare: Buffer[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#at === this.#from;
  }

  /** Room for `lengthBytes` (at most 64 KiB) from `position` on in `arena`, to be filled at once. */
  reserve(lengthBytes: number): Buffer {
    if (this.#arena.length - this.#at < lengthBytes) {
      this.flush();
      if (this.#arena.length - this.#at < lengthBytes) this.#changeArena();
    }
    return this.#arena;
  }

  get position(): number {
    return this.#at;
  }

  /** What was reserved is filled up to here. */
  advance(position: number): void {
    this.#at = position;
    if (this.#at - this.#from >= PIECE_BYTES) this.flush();
  }

  /** Behind everything so far, uncopied: the stream keeps `octets` until they have left. */
  writeThrough(octets: Uint8Array): void {
    this.flush();
    this.#socket.write(octets);
  }

  flush(): void {
    if (this.isEmpty) return;
    this.#socket.write(this.#arena.subarray(this.#from, this.#at));
    if (this.#socket.writableLength === 0) this.#at = this.#from = 0;
    else this.#from = this.#at;
  }

  #changeArena(): void {
    const spent = this.#arena;
    // Called back when everything before it has left.
    if (this.#from > 0) this.#socket.write(NOTHING, () => this.#keep(spent));
    this.#arena = this.#spare.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES);
    this.#from = this.#at = 0;
  }

  #keep(arena: Buffer): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(arena);
  }
}
