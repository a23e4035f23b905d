/** Options of presence: who is subscribed to a topic, told to those who ask. */

export interface PresenceOptions {
  /** False: nobody is told who is subscribed, and nothing is counted. */
  readonly enabled: boolean;
  /** How long a user whose last session ended is still there, in ms: a page that is loaded again is back by then. 0: not at all. */
  readonly leaveDelayMs: number;
  /** Topics that may be watched at a time on a node. */
  readonly maxTopics: number;
  /** Users listed in one snapshot; all are counted. */
  readonly maxUsers: number;
}

/** A page is back within a second or two; Pusher's own advice is 3 s. */
export const DEFAULT_PRESENCE_OPTIONS: PresenceOptions = Object.freeze({
  enabled: true,
  leaveDelayMs: 3_000,
  maxTopics: 10_000,
  maxUsers: 1_000,
});
