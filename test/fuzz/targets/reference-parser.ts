/**
 * STOMP frames of clients, read the slow and obvious way: all octets at once, a line at a time, nothing remembered. It shares
 * nothing with protocol/, and states its leniencies as protocol/DESIGN.md does.
 */
import type { FrameLimits, StompVersion } from '../../../protocol/index.js';

export interface ReadFrame {
  readonly command: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

export interface Reading {
  readonly frames: readonly ReadFrame[];
  /** `refused`: what follows the frames can never be one; `waiting`: it can. */
  readonly end: 'refused' | 'waiting';
}

const COMMANDS = new Set('SEND SUBSCRIBE UNSUBSCRIBE ACK NACK BEGIN COMMIT ABORT DISCONNECT CONNECT STOMP'.split(' '));
const LONGEST_COMMAND = 'UNSUBSCRIBE'.length;
const MAX_BLANK_TAIL = 16;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Refused extends Error {}
class Waiting extends Error {}

/** @param versionOf of each frame, as versions are settled by the first of them */
export function readFrames(octets: Buffer, limits: FrameLimits, versionOf: (k: number) => StompVersion): Reading {
  const text = octets.toString('latin1');
  const frames: ReadFrame[] = [];
  let at = 0;
  try {
    for (;;) {
      const blank = /^(?:\0|\n|\r(?=\n|$))*/.exec(text.slice(at))?.[0] ?? '';
      at += blank.length;
      if (at === text.length) return { frames, end: 'waiting' };
      if (text[at] === '\r') throw new Refused();
      const { frame, end } = readFrame(text, at, limits, versionOf(frames.length));
      frames.push(frame);
      at = end;
    }
  } catch (error) {
    if (error instanceof Refused) return { frames, end: 'refused' };
    if (error instanceof Waiting) return { frames, end: 'waiting' };
    throw error;
  }
}

function readFrame(
  text: string,
  start: number,
  limits: FrameLimits,
  version: StompVersion,
): { frame: ReadFrame; end: number } {
  const [word, headersStart] = readLine(text, start, (line) => {
    if (!/^[A-Z\r]*$/.test(line) || line.length > LONGEST_COMMAND + 1) throw new Refused();
  });
  if (!COMMANDS.has(word)) throw new Refused();
  const lines: string[] = [];
  let at = headersStart;
  let blankBytes = 0;
  for (;;) {
    const lineStart = at;
    const [line, next] = readLine(text, lineStart, (partial) => {
      // One more than the limit, which may turn out to be the CR of the line's end.
      if (partial.includes('\0') || partial.length > limits.maxHeaderLineBytes + 1) throw new Refused();
    });
    at = next;
    blankBytes = next - lineStart;
    if (line === '') break;
    if (!line.includes(':') || line.startsWith(':')) throw new Refused();
    lines.push(text.slice(lineStart, next - 1));
    if (lines.length > limits.maxHeaders) throw new Refused();
    if (isLength(line) && lines.findIndex((each) => isLength(each)) === lines.length - 1) lengthOf(line);
  }
  const headersEnd = at - blankBytes;
  const mayHaveBody = word === 'SEND' || (word === 'SUBSCRIBE' && version === '1.0');
  const given = lines.find((line) => isLength(line));
  const length = given === undefined || !mayHaveBody ? null : lengthOf(given);
  const [body, end] =
    length === null
      ? readOpenBody(text, at, { mayHaveBody, headersEnd, limits })
      : readCountedBody(text, at, length, limits.maxBodyBytes);
  const bytes = Buffer.from(text.slice(headersStart, headersEnd), 'latin1');
  if (!isUtf8(bytes)) throw new Refused();
  const isPlain = word === 'CONNECT' || word === 'STOMP';
  const headers = lines.map((line) => readHeader(line, isPlain, version));
  return { frame: { command: word, headers, body: word === 'SEND' ? body : Buffer.alloc(0) }, end };
}

/** A line without its end, and where the next begins. @param check is shown what there is of it */
function readLine(text: string, start: number, check: (line: string) => void): [string, number] {
  const end = text.indexOf('\n', start);
  check(text.slice(start, end < 0 ? text.length : end));
  if (end < 0) throw new Waiting();
  const line = text.slice(start, end);
  return [line.endsWith('\r') ? line.slice(0, -1) : line, end + 1];
}

function isLength(line: string): boolean {
  return line.startsWith('content-length:');
}

function lengthOf(line: string): number {
  const digits = /^[ \t]*(\d{1,15})[ \t\r]*$/.exec(line.slice('content-length:'.length))?.[1];
  if (digits === undefined) throw new Refused();
  return Number(digits);
}

function readCountedBody(text: string, at: number, length: number, most: number): [Buffer, number] {
  if (length > most) throw new Refused();
  if (text.length <= at + length) throw new Waiting();
  if (text[at + length] !== '\0') throw new Refused();
  return [Buffer.from(text.slice(at, at + length), 'latin1'), at + length + 1];
}

function readOpenBody(
  text: string,
  start: number,
  { mayHaveBody, headersEnd, limits }: { mayHaveBody: boolean; headersEnd: number; limits: FrameLimits },
): [Buffer, number] {
  let at = start;
  if (!mayHaveBody && at < text.length && text[at] !== '\0') {
    at += /^[\r\n]*/.exec(text.slice(at))?.[0].length ?? 0;
    if (at - headersEnd > MAX_BLANK_TAIL + 2) throw new Refused();
    if (at < text.length && text[at] !== '\0') throw new Refused();
  }
  const nul = text.indexOf('\0', at);
  const end = nul < 0 ? text.length : nul;
  if (end - at > limits.maxBodyBytes) throw new Refused();
  if (nul < 0) throw new Waiting();
  return [Buffer.from(text.slice(at, nul), 'latin1'), nul + 1];
}

function readHeader(octets: string, isPlain: boolean, version: StompVersion): [string, string] {
  const line = UTF8.decode(Buffer.from(octets.replace(/\r$/, ''), 'latin1'));
  if ((version === '1.2' || isPlain) && line.includes('\r')) throw new Refused();
  const colon = line.indexOf(':');
  const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
  if (isPlain) return [name, value];
  if (version === '1.0') return [name, value.trim()];
  return [unescape(name, version), unescape(value, version)];
}

function unescape(text: string, version: StompVersion): string {
  return text.replace(/\\([^]?)/g, (_whole, letter: string) => {
    if (letter === 'n') return '\n';
    if (letter === 'c') return ':';
    if (letter === '\\') return '\\';
    if (letter === 'r' && version === '1.2') return '\r';
    throw new Refused();
  });
}

function isUtf8(octets: Buffer): boolean {
  try {
    UTF8.decode(octets);
    return true;
  } catch {
    return false;
  }
}
