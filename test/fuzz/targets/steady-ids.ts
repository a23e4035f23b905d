/** Ids that a run repeats: whatever asks node:crypto for random octets gets counted ones. For fuzzing alone, never beside secrets. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

let next = 0;
let isSteady = false;

/** The next ids are those that came after the last call. */
export function restartIds(): void {
  next = 0;
  if (isSteady) return;
  isSteady = true;
  const steady = (size: number): Buffer => {
    const octets = Buffer.alloc(size, 0xb6);
    octets.writeUInt32BE(++next, 0);
    return octets;
  };
  Object.assign(crypto, { randomBytes: steady });
  syncBuiltinESMExports();
}
