/**
 * A stored message as one value in Redis: five doubles, big-endian, in front of its octets: what it weighs, when it was
 * published, when it expires, when it may be delivered first, how often it was delivered. The scripts read them by place.
 */
import type { StoredMessage } from '../../../broker/ports.js';

export type PackedFields = Omit<StoredMessage, 'sequence' | 'priority'>;

export const HEAD_BYTES = 40;

export function packMessage(message: PackedFields): Buffer {
  const packed = Buffer.allocUnsafe(HEAD_BYTES + message.octets.length);
  const { weightBytes, publishedEpochMs, expiresEpochMs, notBeforeEpochMs, deliveryCount } = message;
  let at = 0;
  for (const field of [weightBytes, publishedEpochMs, expiresEpochMs, notBeforeEpochMs, deliveryCount]) {
    at = packed.writeDoubleBE(field, at);
  }
  packed.set(message.octets, at);
  return packed;
}

/** @returns its octets are a view of `packed` */
export function unpackMessage(packed: Buffer): PackedFields & { readonly octets: Buffer } {
  return {
    octets: packed.subarray(HEAD_BYTES),
    weightBytes: packed.readDoubleBE(0),
    publishedEpochMs: packed.readDoubleBE(8),
    expiresEpochMs: packed.readDoubleBE(16),
    notBeforeEpochMs: packed.readDoubleBE(24),
    deliveryCount: packed.readDoubleBE(32),
  };
}
