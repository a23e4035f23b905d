/** Reading the memory of this very process. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Leaves nothing that is not used any more, as far as V8 can be made to. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let k = 0; k < 3; k++) collect();
}

/** Octets in use by JavaScript, those of buffers included. */
export function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** User and system time of `run` in this process, in µs. */
export async function cpuMicrosOf(run: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
