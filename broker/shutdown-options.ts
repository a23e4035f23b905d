/** How a node goes (SIGTERM): not all clients in one instant, and none with work half done. */
export interface ShutdownOptions {
  /** How long the node says that it is not ready and still takes connections, so that a load balancer can notice, in ms. */
  readonly noticeMs: number;
  /** Sessions that are sent away a second, or more where that would take longer than `spreadMs`; a tenth of it at once. */
  readonly sessionsPerSecond: number;
  readonly spreadMs: number;
  /** How long a session that was asked to go may take for its ACKs, transactions and RECEIPTs, in ms. */
  readonly settleMs: number;
  /** From the first to the last, in ms: connections that are left then are cut. Without `noticeMs`. */
  readonly deadlineMs: number;
}

/**
 * A client that waits five seconds before it comes back, as stompjs does, finds its server again, and not with everybody
 * else in one instant. All of it within the ten seconds that `docker stop` waits.
 */
export const DEFAULT_SHUTDOWN_OPTIONS: ShutdownOptions = {
  noticeMs: 0,
  sessionsPerSecond: 1_000,
  spreadMs: 4_000,
  settleMs: 2_000,
  deadlineMs: 8_000,
};

/** Says what is wrong with them; null: nothing. */
export function findShutdownFault(
  options: ShutdownOptions,
): { readonly option: string; readonly got: unknown; readonly wants: string } | null {
  const { sessionsPerSecond } = options;
  if (sessionsPerSecond < 1) return { option: 'sessionsPerSecond', got: sessionsPerSecond, wants: '1 or more' };
  return null;
}

/** Their pace for so many sessions and so much time. */
export function paceOf(
  { sessionsPerSecond, spreadMs, settleMs }: ShutdownOptions,
  sessions: number,
  deadlineMs: number,
): { readonly perSecond: number; readonly settleMs: number; readonly toldWithinMs: number } {
  const spread = Math.max(1, Math.min(spreadMs, deadlineMs / 2));
  const perSecond = Math.max(sessionsPerSecond, (sessions * 1_000) / spread);
  // What is left is for the close frames to arrive.
  return { perSecond, settleMs: Math.min(settleMs, deadlineMs / 4), toldWithinMs: (deadlineMs * 3) / 4 };
}
