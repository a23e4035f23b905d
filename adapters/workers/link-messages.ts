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

export type ReadyWorker = readonly ListenAddress[];

export function encodeJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Both ends are of one release: what is read is what was written. */
export function decodeJson(octets: Buffer): unknown {
  return JSON.parse(octets.toString());
}
