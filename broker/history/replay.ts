/** What a SUBSCRIBE asks of a history, and what one history has to give: where reading starts, and whether that is all. */
import type { HistoryLog } from './history-log.js';

/** Where a client left off: the last message it has seen. */
export interface HistoryPosition {
  readonly epoch: string;
  /** 0 before the first message. */
  readonly offset: number;
}

export type ReplayRequest =
  /** The newest so many, fewer when there are fewer. */
  | { readonly kind: 'last'; readonly count: number }
  /** The newest of each key. */
  | { readonly kind: 'last-value' }
  | { readonly kind: 'all' }
  /** What comes from now on. */
  | { readonly kind: 'next' }
  | { readonly kind: 'from'; readonly offset: number }
  | { readonly kind: 'since'; readonly epochMs: number };

/** What a SUBSCRIBE asks for: to go on behind `position`; where that cannot be, or without it, `replay`. */
export interface ResumeRequest {
  readonly position: HistoryPosition | null;
  readonly replay: ReplayRequest | null;
}

export interface ReplayStart {
  /** Offsets to be read before `next`, in their order. */
  readonly picks: readonly number[];
  /** Everything from here on is to be read. */
  readonly next: number;
  /** Nothing that was asked for is gone. */
  readonly isComplete: boolean;
}

/** Everything behind `position`; null when the log cannot tell or has not got it any more. */
export function startBehind(log: HistoryLog, position: HistoryPosition): ReplayStart | null {
  const isKept = log.hasReached(position.epoch, position.offset) && position.offset >= log.trimmedTo;
  return isKept ? { picks: [], next: position.offset + 1, isComplete: true } : null;
}

export function startOf(log: HistoryLog, request: ReplayRequest): ReplayStart {
  const isWhole = log.trimmedTo === 0;
  const oldest = log.trimmedTo + 1;
  switch (request.kind) {
    case 'last':
      return { picks: [], next: log.offsetOfLast(request.count), isComplete: isWhole || log.size >= request.count };
    case 'last-value': {
      const picks = log.lastValues();
      const isSingle = log.options.keyHeader === '';
      return { picks, next: log.end + 1, isComplete: isWhole || (isSingle && picks.length > 0) };
    }
    case 'all':
      return { picks: [], next: oldest, isComplete: isWhole };
    case 'next':
      return { picks: [], next: log.end + 1, isComplete: true };
    case 'from': {
      const next = Math.min(Math.max(request.offset, oldest), log.end + 1);
      return { picks: [], next, isComplete: isWhole || request.offset >= oldest };
    }
    case 'since':
      return {
        picks: [],
        next: log.offsetSince(request.epochMs),
        isComplete: isWhole || log.trimmedEpochMs < request.epochMs,
      };
  }
}
