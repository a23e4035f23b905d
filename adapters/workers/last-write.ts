/**
 * What was written to a worker last, so that the same octets for the next of its clients need not cross again: many
 * subscribers of a topic get the very same batch (broker/shared-batch.ts), or the same large body.
 */
import { UNCOPIED_BYTES } from './link.js';

/** Below this the record that would be saved is as short as the one that says so. */
const MIN_BYTES = 64;

export class LastWrite {
  lengthBytes = 0;
  /** A write of one piece, by reference: the same view holds the same octets. */
  #one: Uint8Array | null = null;
  /** Or one of several: large ones by reference, small ones copied, as their memory is soon another's. */
  #parts: readonly Uint8Array[] | null = null;

  isOne(octets: Uint8Array): boolean {
    return octets === this.#one;
  }

  rememberOne(octets: Uint8Array): void {
    this.#parts = null;
    this.#one = octets.length >= MIN_BYTES ? octets : null;
    this.lengthBytes = octets.length;
  }

  areParts(parts: readonly Uint8Array[]): boolean {
    const last = this.#parts;
    if (last?.length !== parts.length) return false;
    return parts.every((part, k) => {
      const other = last[k];
      if (other === undefined) return false;
      return part.length >= UNCOPIED_BYTES ? part === other : Buffer.compare(part, other) === 0;
    });
  }

  rememberParts(parts: readonly Uint8Array[]): void {
    this.#one = null;
    this.lengthBytes = parts.reduce((sum, { length }) => sum + length, 0);
    const isWorthIt = parts.some(({ length }) => length >= UNCOPIED_BYTES);
    this.#parts = isWorthIt ? parts.map((part) => (part.length >= UNCOPIED_BYTES ? part : Buffer.from(part))) : null;
  }

  /** Keeps nothing alive. */
  forget(): void {
    this.#one = this.#parts = null;
  }
}
