/** What a SUBSCRIBE gets: what its RECEIPT says, and where reading starts. Made before the subscription is. */
import { HistoryCursor } from './history-cursor.js';
import type { HistoryLog } from './history-log.js';
import { startBehind, startOf, type HistoryPosition, type ResumeRequest } from './replay.js';

export class ReplayPlan {
  /** Null when nothing was asked for. */
  readonly isRecovered: boolean | null;
  readonly cursors: readonly HistoryCursor[];
  /** Behind which messages are live; null where there is no such place: no history, or a pattern. */
  readonly #position: HistoryPosition | null;

  private constructor(
    isRecovered: boolean | null,
    cursors: readonly HistoryCursor[],
    position: HistoryPosition | null = null,
  ) {
    this.isRecovered = isRecovered;
    this.cursors = cursors;
    this.#position = position;
  }

  /** Of a destination that keeps nothing. */
  static withoutHistory(): ReplayPlan {
    return new ReplayPlan(false, []);
  }

  /** @param request null: messages from now on */
  static of(log: HistoryLog, request: ResumeRequest | null): ReplayPlan {
    const { epoch, end: offset } = log;
    const position = { epoch, offset };
    const behind = request === null || request.position === null ? null : startBehind(log, request.position);
    const start = behind ?? startOf(log, request?.replay ?? { kind: 'next' });
    const isRecovered = request === null ? null : start.isComplete && (behind !== null || request.position === null);
    return new ReplayPlan(isRecovered, [new HistoryCursor(log, start)], position);
  }

  /** Of a pattern, which has no position of its own: each history by itself. */
  static ofAll(logs: readonly HistoryLog[], request: ResumeRequest): ReplayPlan {
    const starts = logs.map((log) => ({ log, start: startOf(log, request.replay ?? { kind: 'next' }) }));
    const isRecovered = starts.length > 0 && starts.every(({ start }) => start.isComplete);
    return new ReplayPlan(
      isRecovered,
      starts.map(({ log, start }) => new HistoryCursor(log, start)),
    );
  }

  /** Of RECEIPT. */
  get headers(): (readonly [string, string])[] {
    const headers: (readonly [string, string])[] = [];
    if (this.isRecovered !== null) headers.push(['recovered', String(this.isRecovered)]);
    if (this.#position === null) return headers;
    const { epoch, offset } = this.#position;
    return [...headers, ['epoch', epoch], ['offset', String(offset)]];
  }
}
