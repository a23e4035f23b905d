/** ProcessMemory of this process: V8's heap, the container's limit, and a collection when the broker asks for one. */
import os from 'node:os';
import v8 from 'node:v8';
import vm from 'node:vm';
import type { MemoryUsage, ProcessMemory } from '../broker/ports.js';

const MIB = 2 ** 20;
/** `heap_size_limit` counts the young generation as well, three halves of it of 16 MiB; what ends a process is the old one. */
const YOUNG_BYTES = 48 * MIB;

export class SystemMemory implements ProcessMemory {
  readonly heapLimitBytes = oldSpaceLimit([...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/), ...process.execArgv]);
  readonly totalLimitBytes = totalLimit(os.totalmem(), process.constrainedMemory());
  #collect: (() => void) | null = null;

  usage(): MemoryUsage {
    const { heapUsed, external, rss } = process.memoryUsage();
    let youngBytes = 0;
    for (const { space_name: name, space_used_size: used } of v8.getHeapSpaceStatistics()) {
      if (name.startsWith('new_')) youngBytes += used;
    }
    return { heapBytes: Math.max(0, heapUsed - youngBytes), totalBytes: heapUsed + external, residentBytes: rss };
  }

  collect(): void {
    this.#collect ??= collector();
    this.#collect();
  }
}

/** What an unlimited container says is more than there is. */
export function totalLimit(machineBytes: number, constrainedBytes: number | undefined): number {
  return constrainedBytes !== undefined && constrainedBytes > 0
    ? Math.min(machineBytes, constrainedBytes)
    : machineBytes;
}

/** @param flags of node, the last counts */
export function oldSpaceLimit(
  flags: readonly string[],
  heapSizeLimit = v8.getHeapStatistics().heap_size_limit,
): number {
  let limit = Math.max(heapSizeLimit - YOUNG_BYTES, heapSizeLimit / 2);
  for (const [k, flag] of flags.entries()) {
    const [, value] = /^--max[-_]old[-_]space[-_]size(?:=(\d+))?$/.exec(flag) ?? [];
    const given = Number(value ?? (/^--max[-_]old[-_]space[-_]size$/.test(flag) ? flags[k + 1] : undefined));
    if (given > 0) limit = given * MIB;
  }
  return limit;
}

/** The function that `node --expose-gc` shows, made visible to nobody else. */
function collector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  v8.setFlagsFromString('--no-expose-gc');
  return collect;
}
