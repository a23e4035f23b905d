/**
 * What the script that records messages publishes: version (1 octet), which run of which node has recorded them (its length,
 * 1, and its octets), destination (2, and its octets), epoch (1, and its octets), offset and number of the first message,
 * number of the one before it (doubles), then of each message its number, its length (4) and its octets.
 */
import type { RecordedMessages } from '../../../broker/ports.js';

const VERSION = 2;
const DOUBLE_BYTES = 8;

/** @param incarnation of this node. @returns views of `payload`. @throws RangeError for what the script did not write */
export function decodeRecorded(payload: Buffer, incarnation: string): RecordedMessages {
  const version = payload.readUInt8(0);
  if (version !== VERSION) throw new RangeError(`recorded messages of version ${version}`);
  const senderEnd = 2 + payload.readUInt8(1);
  const destinationStart = senderEnd + 2;
  const destinationEnd = destinationStart + payload.readUInt16BE(senderEnd);
  const epochStart = destinationEnd + 1;
  const epochEnd = epochStart + payload.readUInt8(destinationEnd);
  const doubleAt = (k: number): number => payload.readDoubleBE(epochEnd + k * DOUBLE_BYTES);
  const messages: { number: number; octets: Buffer }[] = [];
  for (let at = epochEnd + 3 * DOUBLE_BYTES; at < payload.length;) {
    const start = at + DOUBLE_BYTES + 4;
    const end = start + payload.readUInt32BE(at + DOUBLE_BYTES);
    if (end > payload.length) throw new RangeError('recorded messages that are cut short');
    messages.push({ number: payload.readDoubleBE(at), octets: payload.subarray(start, end) });
    at = end;
  }
  return {
    destination: payload.toString('utf8', destinationStart, destinationEnd),
    isOwn: payload.toString('utf8', 2, senderEnd) === incarnation,
    place: {
      epoch: payload.toString('latin1', epochStart, epochEnd),
      offset: doubleAt(0),
      number: doubleAt(1),
      previous: doubleAt(2),
    },
    messages,
  };
}
