/** Ids that a run repeats: whatever asks node:crypto for random octets gets counted ones. For fuzzing alone, never beside secrets. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const { randomBytes } = crypto;
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
  replace(steady);
}

/** Ids are random again, for whatever else runs in this process. */
export function releaseIds(): void {
  isSteady = false;
  replace(randomBytes);
}

function replace(by: (size: number) => Buffer): void {
  Object.assign(crypto, { randomBytes: by });
  syncBuiltinESMExports();
}
