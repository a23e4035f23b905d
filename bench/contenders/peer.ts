/** Something that can be measured: how it is started, and what is known of it while it runs. One file a peer beside this one. */

export interface RunningPeer {
  /** 0 where it has no such port. */
  readonly tcpPort: number;
  readonly httpPort: number;
  readonly pid: number;
  /** User and system time of the whole server so far, its children included, in µs. */
  cpuMicros(): Promise<number>;
  /** Resident memory of the whole server, in octets. */
  rssBytes(): number;
  /** Before its memory is read; of Node processes of this bench alone. */
  collectGarbage?(): Promise<void>;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** With its version and what was set, for the report. */
  readonly description: string;
  /** Slow to start, so that one process serves all its contenders and scenarios. Default false. */
  readonly isShared?: boolean;
  /** Its CPU time is known in ticks of 10 ms, so that short rounds would say nothing. Default false. */
  readonly hasCoarseClock?: boolean;
  /** Its code is compiled before it runs, so that a few rounds warm it up. Default false. */
  readonly isCompiled?: boolean;
  /** Why it cannot take part here; null when it can. */
  missing(): string | null;
  /**
   * @param directory for what it writes
   * @param nodeArguments for one that runs on Node
   */
  start(directory: string, nodeArguments?: readonly string[]): Promise<RunningPeer>;
}
