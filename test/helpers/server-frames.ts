/** A reader of the server's frames that shares nothing with protocol/: what a plain client would make of the octets. */
export interface ServerFrame {
  readonly command: string;
  /** Unescaped, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

export interface ServerOctets {
  readonly frames: readonly ServerFrame[];
  /** LFs between frames. */
  readonly heartBeats: number;
  /** What is left of a frame that is not whole. */
  readonly rest: Buffer;
}

const UNESCAPED = new Map([
  ['\\n', '\n'],
  ['\\r', '\r'],
  ['\\c', ':'],
  ['\\\\', '\\'],
]);

export function readServerFrames(octets: Buffer, version = '1.2'): ServerOctets {
  const frames: ServerFrame[] = [];
  let heartBeats = 0;
  let at = 0;
  while (at < octets.length) {
    if (octets[at] === 10) {
      heartBeats++;
      at++;
      continue;
    }
    const blank = octets.indexOf('\n\n', at);
    if (blank < 0) break;
    const [command = '', ...lines] = octets.toString('utf8', at, blank).split('\n');
    const isPlain = version === '1.0' || command === 'CONNECTED';
    const headers = lines.map((line) => readHeader(line, isPlain));
    const length = headers.find(([name]) => name === 'content-length')?.[1];
    const bodyStart = blank + 2;
    const bodyEnd = length === undefined ? octets.indexOf(0, bodyStart) : bodyStart + Number(length);
    if (bodyEnd < 0 || bodyEnd >= octets.length) break;
    if (octets[bodyEnd] !== 0) throw new Error(`no NUL after ${command}`);
    frames.push({ command, headers, body: Buffer.from(octets.subarray(bodyStart, bodyEnd)) });
    at = bodyEnd + 1;
  }
  return { frames, heartBeats, rest: octets.subarray(at) };
}

/** The first value of that name. */
export function header(frame: ServerFrame | undefined, name: string): string | undefined {
  return frame?.headers.find(([key]) => key === name)?.[1];
}

function readHeader(line: string, isPlain: boolean): [string, string] {
  const colon = line.indexOf(':');
  if (colon < 0) throw new Error(`no colon in ${JSON.stringify(line)}`);
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1);
  return isPlain ? [name, value] : [unescape(name), unescape(value)];
}

function unescape(text: string): string {
  return text.replace(/\\[^]?/g, (escape) => {
    const octet = UNESCAPED.get(escape);
    if (octet === undefined) throw new Error(`escape ${JSON.stringify(escape)}`);
    return octet;
  });
}
