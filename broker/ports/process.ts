/** What the broker takes from the process it runs in: time, a log, and how much memory there is. */

/** Time, so that tests can own it. */
export interface Clock {
  /** Milliseconds of the time of day, for what is said in absolute terms: when a token expires. */
  epochMs(): number;
  /** Milliseconds that only ever grow; not the time of day. */
  nowMs(): number;
  /** Runs `task` every `intervalMs` until the returned function is called. Does not keep the process alive. */
  every(intervalMs: number, task: () => void): () => void;
  /** Runs `task` once, after what the current turn of the event loop still has to read. */
  soon(task: () => void): void;
}

/** The part of pino's interface that the broker uses. */
export interface Logger {
  readonly level: string;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** V8's heap in another process of this server, which holds connections for it. */
export interface WorkerHeap {
  /** 1 and up. */
  readonly worker: number;
  readonly heapBytes: number;
  /** V8 ends that process when its heap grows beyond. */
  readonly heapLimitBytes: number;
}

/** What the server takes at the moment, in octets. */
export interface MemoryUsage {
  /** Of V8's heap, what counts towards its limit; garbage that was not collected yet is in it. Of the broker's process. */
  readonly heapBytes: number;
  /** The whole heap, and what its objects hold outside of it, such as buffers; of all processes together. */
  readonly totalBytes: number;
  /** As the system sees it, of all processes. What was given back may stay in it, so nothing is decided by it. */
  readonly residentBytes: number;
  /** Of the other processes, the one whose heap is nearest to its limit. Missing: there are none. */
  readonly fullestWorker?: WorkerHeap | null | undefined;
}

/** Memory of the server: how much it may take, and takes. */
export interface ProcessMemory {
  /** V8 ends the broker's process when its heap grows beyond. */
  readonly heapLimitBytes: number;
  /** What the machine has, or the container allows. */
  readonly totalLimitBytes: number;
  /** Asked ten times a second: must cost next to nothing. */
  usage(): MemoryUsage;
  /** Has garbage collected now, as far as that can be asked for: the process stands still meanwhile. Others follow. */
  collect(): void;
}
