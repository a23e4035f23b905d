/** Something that takes input from strangers, and what must hold whatever the input is. */
import type { SeededRandom } from '../../helpers/seeded-random.js';

export interface Target {
  /** As the report names it. */
  readonly name: string;
  /** Folders and files below dist/ whose blocks count as reached, e.g. `protocol/`. */
  readonly covers: readonly string[];
  /** The octet between the records of an input; null where it is one piece. */
  readonly separator: number | null;
  readonly maxBytes: number;
  /** Words of its language. */
  readonly words: readonly string[];
  /** An input by the grammar, mostly a sound one. */
  generate(random: SeededRandom): Buffer;
  /** @throws whatever is wrong */
  run(input: Buffer): void | Promise<void>;
  /** Puts back what it has changed in the process. */
  stop?(): void;
}
