/** What a scenario is, and what it gets: settings of the run, peers, a place for data, and someone to tell how far it is. */
import type { PeerPool } from './peer-pool.js';
import type { Progress } from './progress.js';
import type { ScenarioResult } from './report/results.js';

export interface BenchSettings {
  readonly isQuick: boolean;
  /** Measured rounds of each contender at each point; one more comes before and is left out. */
  readonly rounds: number;
  /** How long one round is to take. */
  readonly roundMs: number;
  /** Path of a jar with Spring's simple broker; null: none. */
  readonly springJar: string | null;
}

export interface Bench {
  readonly settings: BenchSettings;
  readonly peers: PeerPool;
  readonly progress: Progress;
}

export interface Scenario {
  /** For `--only=`, in kebab-case. */
  readonly name: string;
  /** The question it answers. */
  readonly title: string;
  run(bench: Bench): Promise<Omit<ScenarioResult, 'name' | 'title' | 'durationMs'>>;
}
