/**
 * What travels through Redis, version 1: the version (1 octet), a tag of the node's run (8), a number that counts its
 * envelopes (4), the destination (its length, 2, and its octets), then messages one behind the other (length, 4, and octets).
 */

const VERSION = 1;
const NODE_START = 1;
const NUMBER_START = 9;
const DESTINATION_START = 13;
const DESTINATION_LENGTH_BYTES = 2;
const LENGTH_BYTES = 4;

/** Octets of a node's tag: random, another one at each start, so that nodes with the same `nodeId` still hear each other. */
export const NODE_TAG_BYTES = 8;
/** Longer destinations cannot be written: `limits.maxLengthBytes` is far below. */
export const MAX_DESTINATION_BYTES = 0xffff;

/** What one message adds to an envelope, beside its octets. */
export const MESSAGE_OVERHEAD_BYTES = LENGTH_BYTES;

export interface NodeEnvelope {
  readonly node: Buffer;
  readonly number: number;
  readonly destination: string;
  /** In the order they were published. Views of the octets that were read. */
  readonly messages: readonly Buffer[];
}

/** @param number of the envelope; it starts again after 2^32 */
export function encodeEnvelope({ node, number, destination, messages }: NodeEnvelope): Buffer {
  const name = Buffer.from(destination);
  const start = DESTINATION_START + DESTINATION_LENGTH_BYTES + name.length;
  let bytes = start;
  for (const message of messages) bytes += LENGTH_BYTES + message.length;
  const octets = Buffer.allocUnsafe(bytes);
  octets[0] = VERSION;
  octets.set(node, NODE_START);
  octets.writeUInt32BE(number, NUMBER_START);
  octets.writeUInt16BE(name.length, DESTINATION_START);
  octets.set(name, DESTINATION_START + DESTINATION_LENGTH_BYTES);
  let at = start;
  for (const message of messages) {
    at = octets.writeUInt32BE(message.length, at);
    octets.set(message, at);
    at += message.length;
  }
  return octets;
}

/** Whether an envelope is of the node with this tag. Looks at nothing else. */
export function isEnvelopeOf(octets: Buffer, node: Buffer): boolean {
  return octets.length >= NUMBER_START && node.compare(octets, NODE_START, NUMBER_START) === 0;
}

/** @throws RangeError for another version, or octets that are none */
export function decodeEnvelope(octets: Buffer): NodeEnvelope {
  const version = octets.readUInt8(0);
  if (version !== VERSION) throw new RangeError(`an envelope of version ${version}, this node reads ${VERSION}`);
  const nameStart = DESTINATION_START + DESTINATION_LENGTH_BYTES;
  let at = nameStart + octets.readUInt16BE(DESTINATION_START);
  if (at > octets.length) throw new RangeError('an envelope that ends within its destination');
  const messages: Buffer[] = [];
  const destination = octets.toString('utf8', nameStart, at);
  while (at < octets.length) {
    const start = at + LENGTH_BYTES;
    at = start + octets.readUInt32BE(at);
    if (at > octets.length) throw new RangeError('an envelope that ends within a message');
    messages.push(octets.subarray(start, at));
  }
  const node = octets.subarray(NODE_START, NUMBER_START);
  return { node, number: octets.readUInt32BE(NUMBER_START), destination, messages };
}
