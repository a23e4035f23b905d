/** What a client does, in small steps: a habit begins with a connection and is called for a step now and then. */
import type { SeededRandom } from '../helpers/seeded-random.js';
import type { Ledger } from './ledger.js';
import type { Line } from './line.js';

export interface HabitParts {
  readonly line: Line;
  readonly ledger: Ledger;
  readonly random: SeededRandom;
  /** Who it has logged in as; undefined: nobody. */
  readonly login: string | undefined;
  /** Names this connection among all of the run. */
  readonly name: string;
}

/** One step. */
export type Habit = () => void;

/** Of every SEND: gateways render text as text. */
export const TEXT = { 'content-type': 'text/plain' };
