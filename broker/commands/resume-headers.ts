/**
 * Headers of SUBSCRIBE that ask a history for what was missed: `resume-epoch` with `resume-offset`, and `replay`; or
 * RabbitMQ's `x-stream-offset` (conformance X-37).
 */
import type { Frame } from '../../protocol/index.js';
import type { HistoryPosition, ReplayRequest, ResumeRequest } from '../history/replay.js';
import { parsed, requireHeader } from './require-header.js';

const LAST = 'last=';
const STREAM_OFFSET = 'offset=';
const STREAM_TIMESTAMP = 'timestamp=';

/**
 * Null when nothing is asked for.
 * @throws BrokerError `header-missing`, `header-invalid`
 */
export function readResume(frame: Frame): ResumeRequest | null {
  const position = readPosition(frame);
  const replay = readReplay(frame) ?? readStreamOffset(frame) ?? null;
  return position === null && replay === null ? null : { position, replay };
}

function readPosition(frame: Frame): HistoryPosition | null {
  if (!frame.headers.has('resume-epoch') && !frame.headers.has('resume-offset')) return null;
  const epoch = requireHeader(frame, 'resume-epoch');
  requireHeader(frame, 'resume-offset');
  // Fifteen digits are exact in a double.
  const offset = parsed(frame, 'resume-offset', /^\d{1,15}$/, Number, 'a whole number, 0 or more') ?? 0;
  return { epoch, offset };
}

function readReplay(frame: Frame): ReplayRequest | undefined {
  const read = (value: string): ReplayRequest => {
    if (value === 'all' || value === 'last-value') return { kind: value };
    return { kind: 'last', count: Number(value.slice(LAST.length)) };
  };
  return parsed(frame, 'replay', /^(last=[1-9]\d{0,8}|last-value|all)$/, read, 'last=N, last-value or all');
}

/** Offsets of a stream count from 0 there, those of a history from 1: 0 is everything in both. Timestamps are seconds. */
function readStreamOffset(frame: Frame): ReplayRequest | undefined {
  const read = (value: string): ReplayRequest => {
    if (value === 'first') return { kind: 'all' };
    if (value === 'last') return { kind: 'last', count: 1 };
    if (value === 'next') return { kind: 'next' };
    if (value.startsWith(STREAM_OFFSET)) return { kind: 'from', offset: Number(value.slice(STREAM_OFFSET.length)) };
    return { kind: 'since', epochMs: Number(value.slice(STREAM_TIMESTAMP.length)) * 1_000 };
  };
  const form = /^(first|last|next|offset=\d{1,15}|timestamp=\d{1,11})$/;
  return parsed(frame, 'x-stream-offset', form, read, 'first, last, next, offset=N or timestamp=seconds');
}
