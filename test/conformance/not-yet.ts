/**
 * Ids of the conformance list without a test, and the feature that brings it. Held equal to the tests by
 * coverage.test.ts: an id leaves here with the commit that tests it.
 */
import type { Group } from './ids.js';

const QUEUES = 'point-to-point queues';
const NOT_PLANNED = 'compatibility headers of other brokers';

/** Groups that are complete: an entry of theirs here is refused. */
export const COMPLETE_GROUPS: readonly Group[] = ['F', 'C', 'S', 'A', 'T', 'R', 'E', 'W', 'K'];

/** Id → the feature that brings its test. */
export const NOT_YET: ReadonlyMap<string, string> = new Map([
  ['X-03', 'destinations by prefix'],
  ['X-04', 'destination patterns of other brokers'],
  ['X-12', NOT_PLANNED],
  ['X-16', NOT_PLANNED],
  ['X-21', QUEUES],
  ['X-25', NOT_PLANNED],
  ['X-26', NOT_PLANNED],
  ['X-27', NOT_PLANNED],
  ['X-28', QUEUES],
  ['X-30', NOT_PLANNED],
  ['X-31', NOT_PLANNED],
  ['X-32', NOT_PLANNED],
  ['X-34', NOT_PLANNED],
  ['X-35', NOT_PLANNED],
  ['X-36', 'PROXY protocol and TLS'],
]);
