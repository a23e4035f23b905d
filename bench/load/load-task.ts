/** What a load process can be told to do: the interface of its tasks, and the messages that carry it. Plain data throughout. */
import type { LoadTarget } from './load-protocol.js';

/** Numbers, names and switches of a task or of one round. */
export type LoadSettings = Readonly<Record<string, number | string | boolean>>;

/** One round, as the load saw it. */
export interface RoundFigures {
  /** Deliveries, requests …: what the server's CPU time is divided by. */
  readonly operations: number;
  readonly elapsedMs: number;
  /** Anything else that the scenario wants reported, e.g. percentiles. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface LoadTask {
  /** Measures; ends with nothing under way. */
  round(settings: LoadSettings): Promise<RoundFigures>;
  close(): void;
}

export type OpenTask = (target: LoadTarget, settings: LoadSettings) => Promise<LoadTask>;

export type LoadRequest =
  | {
      readonly kind: 'open';
      readonly task: string;
      readonly target: LoadTarget;
      readonly settings: LoadSettings;
    }
  | { readonly kind: 'round'; readonly settings: LoadSettings }
  | { readonly kind: 'close' };

export interface LoadReply {
  readonly error?: string;
  readonly round?: RoundFigures;
  /** User and system time of the load process in that round. */
  readonly cpuMicros?: number;
}
