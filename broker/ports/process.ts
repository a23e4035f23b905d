/** What the broker takes from the process it runs in: time and a log. */
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
