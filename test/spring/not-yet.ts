/** Ids of Spring's list without a test or a difference, and what brings them. */
import { SECTIONS } from './ids.js';

const RELAY = 'the relay to an external STOMP broker';

/** Id → the feature that brings its test. */
export const NOT_YET: ReadonlyMap<string, string> = new Map([
  ...(SECTIONS['S11'] ?? []).map((number): [string, string] => [`S11.${number}`, RELAY]),
]);
