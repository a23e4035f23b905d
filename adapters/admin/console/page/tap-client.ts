/** Reads `/tap` of the admin API: a line of JSON for each frame, for as long as it is wanted. */
import { ApiError, askStream, type Query } from './api.js';

interface TappedFrame {
  readonly type: 'frame';
  readonly number: number;
  readonly at: string;
  readonly session: string;
  readonly direction: 'in' | 'out';
  readonly user: string | null;
  readonly transport: string;
  readonly command: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly bodyBytes: number;
  readonly isCut: boolean;
}

export type TappedLine =
  | TappedFrame
  | { readonly type: 'tap'; readonly node: string }
  | { readonly type: 'missed'; readonly count: number }
  | { readonly type: 'idle' };

/**
 * Resolves when `signal` ends it.
 * @param onLines what one piece of the answer held, so that many frames are one change of the page
 * @throws ApiError, Unreachable, and when the server ends it
 */
export async function readTap(
  query: Query,
  signal: AbortSignal,
  onLines: (lines: readonly TappedLine[]) => void,
): Promise<void> {
  const stream = await askStream('tap', { query, signal });
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ApiError(503, 'unavailable', 'The server ended the tap');
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    onLines(lines.map((line) => JSON.parse(line) as TappedLine));
  }
}
