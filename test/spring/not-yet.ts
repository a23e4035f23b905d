/** Ids of Spring's list without a test or a difference, and what brings them. */

/** Id → the feature that brings its test. */
export const NOT_YET: ReadonlyMap<string, string> = new Map();
