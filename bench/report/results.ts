/** What a run of the bench has found out: plain data, written as it is into the JSON file and read by the other reports. */

/** Something that is measured in each round. */
export interface Figure {
  /** Key in the samples. */
  readonly key: string;
  /** Column heading, unit included. */
  readonly label: string;
  readonly digits: number;
  /** Null where neither is better: shares of a CPU. */
  readonly better: 'less' | 'more' | null;
}

/** The figures of one round, by key. */
export type Sample = Readonly<Record<string, number>>;

/** One contender at one point. */
export interface Entry {
  readonly contender: string;
  /** One for each round, in the order in which they were run. */
  readonly samples: readonly Sample[];
  /** Why there are no samples, or what is to be known about them. */
  readonly note?: string;
}

/** What is varied between the points of a scenario. */
export type PointSettings = Readonly<Record<string, number | string>>;

export interface Point {
  readonly settings: PointSettings;
  /** The first is what the others are compared with. */
  readonly entries: readonly Entry[];
}

export interface BarPlot {
  readonly kind: 'bars';
  readonly title: string;
  readonly figure: string;
  /** Points that are shown: those with all of these settings. */
  readonly where: PointSettings;
}

export interface LinePlot {
  readonly kind: 'lines';
  readonly title: string;
  readonly figure: string;
  readonly where: PointSettings;
  /** Setting along the horizontal axis, which is logarithmic. */
  readonly along: string;
}

export interface PercentilePlot {
  readonly kind: 'percentiles';
  readonly title: string;
  /** Keys of figures in ms and the share of operations below them, from the smallest to the largest. */
  readonly figures: readonly { readonly key: string; readonly share: number }[];
  readonly where: PointSettings;
}

export type Plot = BarPlot | LinePlot | PercentilePlot;

export interface Skipped {
  readonly contender: string;
  readonly reason: string;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly durationMs: number;
  /** How it was measured, one line each. */
  readonly method: readonly string[];
  readonly figures: readonly Figure[];
  /** Key of the figure whose ratio to the first entry is reported. */
  readonly ratioOf: string;
  readonly points: readonly Point[];
  readonly plots: readonly Plot[];
  readonly skipped: readonly Skipped[];
  /** What was aimed at and whether it was reached, one line each; left out where nothing is aimed at. */
  readonly verdicts?: readonly string[];
}

export interface Report {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly mode: 'quick' | 'full';
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly scenarios: readonly ScenarioResult[];
}
