/** The records of a link whose payload is JSON, and how it is read. */
import type { Handshake, ListenAddress, TransportName } from '../../broker/ports.js';

/** What the broker has to know of a connection that a worker holds. */
export interface OpenedConnection {
  readonly transport: TransportName;
  readonly remoteAddress: string;
  /** One of the names under which both ends know the framings (composition.ts). */
  readonly framing: string;
  readonly handshake: Handshake | null;
}

/** What a worker is told first. */
export interface WorkerSetup<Options> {
  /** 1 and up; a worker that takes the place of a dead one has its number. */
  readonly worker: number;
  readonly workers: number;
  /** Where the workers reach each other: a directory that is this server's alone. */
  readonly directory: string;
  /** Octets after which the worker has to tell how far it is. */
  readonly tellEveryBytes: number;
  readonly options: Options;
}

/** What a worker tells of its process. */
export interface WorkerReport {
  /** As of MemoryUsage, of this process alone. */
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
  readonly totalBytes: number;
  readonly residentBytes: number;
  /** Of all processors, since it began. */
  readonly cpuMs: number;
  /** How late its event loop was of late; null: nobody wants to know. */
  readonly delay: { readonly recentP99Ms: number; readonly recentMaxMs: number } | null;
  /** Sockets of its listeners, and how many its open files allow; null: there is no bound. */
  readonly sockets: { readonly open: number; readonly max: number } | null;
  /** Why connections are closed at once; null: they are not. One line for people. */
  readonly shortage: string | null;
}

export type ReadyWorker = readonly ListenAddress[];

export function encodeJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Both ends are of one release: what is read is what was written. */
export function decodeJson(octets: Buffer): unknown {
  return JSON.parse(octets.toString());
}
