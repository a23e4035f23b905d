/** What a message carries so that its way can be followed from process to process (W3C Trace Context, as headers). */
import type { RawFrame } from '../protocol/index.js';

export const TRACE_PARENT = 'traceparent';
export const TRACE_STATE = 'tracestate';

type HeaderList = readonly (readonly [name: string, value: string])[];

const NONE: HeaderList = Object.freeze([]);
const LINE = Buffer.from(`\n${TRACE_PARENT}:`);

/** Both, or none without a parent. */
export function traceHeadersOf(headers: { get(name: string): string | undefined }): HeaderList {
  const parent = headers.get(TRACE_PARENT);
  if (parent === undefined) return NONE;
  const state = headers.get(TRACE_STATE);
  return state === undefined
    ? [[TRACE_PARENT, parent]]
    : [
        [TRACE_PARENT, parent],
        [TRACE_STATE, state],
      ];
}

/** The same headers, of another span. */
export function withTrace(headers: Iterable<readonly [string, string]>, trace: HeaderList): HeaderList {
  return [...headers].filter(([name]) => name !== TRACE_PARENT && name !== TRACE_STATE).concat(trace);
}

/** Whether octets that nobody has decoded carry a parent. */
export function isTraced({ buffer, headersStart, headersEnd }: RawFrame): boolean {
  // One octet back is the LF of the command line.
  return buffer.subarray(headersStart - 1, headersEnd).includes(LINE);
}
