/**
 * How fast are frames parsed? Our parser beside the two usual ways, in the same process, alternating round by round:
 * splitting each message as a string, and @stomp/stompjs' parser.
 */
import { Parser } from '@stomp/stompjs';
import { FrameParser, type RawFrame } from '../protocol/index.js';
import { describeMachine, printTable } from './measure.js';
import { median, medianRatio } from './report/statistics.js';

const ROUNDS = 7;
const ROUND_MS = 150;
/** What one read of a busy socket brings; larger frames straddle reads and have to be put together. */
const READ_BYTES = 64 * 1024;
const STREAM_BYTES = 16 * READ_BYTES;

interface Variant {
  readonly name: string;
  /** Parses the whole stream once; returns the number of frames. */
  readonly run: () => number;
}

function sendFrame(bodyBytes: number): string {
  const body = 'x'.repeat(bodyBytes);
  return `SEND\ndestination:/topic/prices.42\ncontent-type:application/json\nx-trace:8f14e45f\ncontent-length:${bodyBytes}\n\n${body}\0`;
}

/** The naive way: a string, split at lines and colons into an object. */
function splitFrame(message: string): { command: string; headers: Record<string, string>; body: string } {
  const end = message.indexOf('\n\n');
  const [command = '', ...lines] = message.slice(0, end).split('\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    headers[name] ??= line.slice(colon + 1);
  }
  return { command, headers, body: message.slice(end + 2, -1) };
}

function variants(bodyBytes: number): Variant[] {
  const frame = sendFrame(bodyBytes);
  const count = Math.ceil(STREAM_BYTES / frame.length);
  const stream = Buffer.from(frame.repeat(count));
  const reads: Buffer[] = [];
  // Copied, as reads are: each has memory of its own.
  for (let at = 0; at < stream.length; at += READ_BYTES) reads.push(Buffer.from(stream.subarray(at, at + READ_BYTES)));
  const messages = Array.from({ length: count }, () => Buffer.from(frame));
  let seen = 0;
  const parser = new FrameParser();
  const sink = {
    onRawFrame: (raw: RawFrame): boolean => {
      seen += raw.bodyEnd > raw.bodyStart ? 1 : 0;
      return true;
    },
  };
  const decoding = new FrameParser();
  const stompjs = new Parser(
    () => seen++,
    () => undefined,
  );
  return [
    {
      name: 'split string per message',
      run: () => messages.reduce((sum, message) => sum + (splitFrame(message.toString()).body === '' ? 0 : 1), 0),
    },
    {
      name: '@stomp/stompjs parser',
      run: () => {
        seen = 0;
        for (const read of reads) stompjs.parseChunk(read.buffer as ArrayBuffer);
        return seen;
      },
    },
    {
      name: 'hoofbeat, headers decoded',
      run: () => {
        seen = 0;
        for (const read of reads) decoding.push(read, ({ headers }) => (seen += headers.has('destination') ? 1 : 0));
        return seen;
      },
    },
    {
      name: 'hoofbeat, as the broker uses it',
      run: () => {
        seen = 0;
        for (const read of reads) parser.pushRaw(read, sink);
        return seen;
      },
    },
  ];
}

/** Frames per second over about `ms`. */
function rate(variant: Variant, ms: number): number {
  const start = performance.now();
  let frames = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    frames += variant.run();
    elapsed = performance.now() - start;
  }
  return (frames / elapsed) * 1000;
}

console.log(
  `Parsing a stream of SEND frames that arrives in reads of 64 KiB; ${describeMachine()}; medians of ${ROUNDS} rounds\n`,
);
for (const bodyBytes of [128, 1024, 64 * 1024]) {
  const all = variants(bodyBytes);
  for (const variant of all) rate(variant, ROUND_MS);
  const rates = all.map(() => [] as number[]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, variant] of all.entries()) rates[index]?.push(rate(variant, ROUND_MS));
  }
  console.log(`Body of ${bodyBytes} octets`);
  printTable(
    ['variant', 'frames/s', '× split string', '× stompjs'],
    all.map((variant, index) => {
      const own = rates[index] ?? [];
      return [
        variant.name,
        Math.round(median(own)).toLocaleString('en'),
        medianRatio(own, rates[0] ?? []).toFixed(2),
        medianRatio(own, rates[1] ?? []).toFixed(2),
      ];
    }),
  );
  console.log('');
}
