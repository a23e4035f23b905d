/** What the parts of the cluster bench get: settings of the run, someone to tell how far it is, and how nodes are started. */
import type { Bench } from '../scenario.js';

export interface ClusterBench extends Bench {
  /** In front of the command line of hoofbeat's nodes, e.g. `--cpu-prof`. */
  readonly nodeArguments: readonly string[];
}
