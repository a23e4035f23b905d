/** Hash slots as a Redis Cluster has them: CRC-16 (XMODEM) of a key, or of its hash tag, modulo 16,384. */

export const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;

const TABLE = Uint16Array.from({ length: 256 }, (_, octet) => {
  let crc = octet << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
  return crc & 0xffff;
});

/** @param key of a value or a channel; what is in its first braces decides, where that is not empty */
export function slotOf(key: string): number {
  const start = key.indexOf('{');
  const end = start < 0 ? -1 : key.indexOf('}', start + 1);
  const hashed = end > start + 1 ? key.slice(start + 1, end) : key;
  let crc = 0;
  for (const octet of Buffer.from(hashed)) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ octet) & 0xff] ?? 0)) & 0xffff;
  return crc % SLOTS;
}
