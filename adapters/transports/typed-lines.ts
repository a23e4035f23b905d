/**
 * STOMP typed by hand, line by line: `wscat` sends each line as a text message of its own, without a line end, and `^@`
 * arrives as the two characters as often as a real NUL. An ordinary client whose first frame happens to be cut right
 * behind the command is told apart by what follows: its header lines begin with the line end that was cut off.
 */
const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const FRAME_END = Buffer.from([NUL]);
const LINE_END = Buffer.from([LF]);

/** Whether a first message can be a typed command line: nothing but the command that opens a session. */
export function isTypedCommand(message: Buffer): boolean {
  if (message.length !== 5 && message.length !== 7) return false;
  const word = message.toString('latin1');
  return word === 'STOMP' || word === 'CONNECT';
}

export class TypedLines {
  /** Messages held until it is clear who is there; null from then on. */
  #held: Buffer[] | null;
  #isOrdinary = false;
  #part: 'between' | 'headers' | 'body' = 'between';
  #mayHaveBody = false;
  #bodyLines = 0;

  /** @param command the first message, for which `isTypedCommand` is true */
  constructor(command: Buffer) {
    this.#held = [command];
  }

  /** True once this proved to be no typist: messages need not come here any more. */
  get isOrdinary(): boolean {
    return this.#isOrdinary;
  }

  /** Takes the next text message; returns octets for the parser, or null when there are none yet. */
  push(message: Buffer): Buffer | null {
    if (this.#held === null) return joined(this.#takeLines(message));
    if (message.length === 0) {
      // One blank line says all that several would; a client must not fill memory with nothing.
      if (this.#held.length === 1) this.#held.push(message);
      return null;
    }
    if (message[0] === LF || message[0] === CR) return this.release(message);
    const held = this.#held;
    this.#held = null;
    return joined([...held, message].flatMap((line) => this.#takeLines(line)));
  }

  /** Gives back everything held and `message` unchanged: this is an ordinary client. */
  release(message: Buffer): Buffer {
    const held = this.#held ?? [];
    this.#held = null;
    this.#isOrdinary = true;
    return Buffer.concat([...held, message]);
  }

  #takeLines(message: Buffer): Buffer[] {
    const parts: Buffer[] = [];
    let at = 0;
    do {
      const end = message.indexOf(LF, at);
      let line = message.subarray(at, end === -1 ? message.length : end);
      if (line.at(-1) === CR) line = line.subarray(0, -1);
      this.#takeLine(line, parts);
      at = end === -1 ? message.length : end + 1;
    } while (at < message.length);
    return parts;
  }

  #takeLine(whole: Buffer, parts: Buffer[]): void {
    const endBytes = frameEndBytes(whole);
    const line = endBytes === 0 ? whole : whole.subarray(0, -endBytes);
    switch (this.#part) {
      case 'between':
        // Blank lines and a late `^@` between frames mean nothing.
        if (line.length === 0) return;
        this.#mayHaveBody = line.toString('latin1') === 'SEND';
        this.#part = 'headers';
        parts.push(line, LINE_END);
        break;
      case 'headers':
        if (line.length === 0) {
          if (endBytes === 0) this.#endHeaders(parts);
          break;
        }
        parts.push(line, LINE_END);
        break;
      case 'body':
        if (line.length !== 0 || endBytes === 0) {
          // A body's last line has no end of its own, so each line brings the one before it.
          if (this.#bodyLines++ > 0) parts.push(LINE_END);
          parts.push(line);
        }
        break;
    }
    if (endBytes === 0) return;
    if (this.#part === 'headers') parts.push(LINE_END);
    this.#endFrame(parts);
  }

  #endHeaders(parts: Buffer[]): void {
    parts.push(LINE_END);
    if (!this.#mayHaveBody) {
      this.#endFrame(parts);
      return;
    }
    this.#part = 'body';
    this.#bodyLines = 0;
  }

  #endFrame(parts: Buffer[]): void {
    parts.push(FRAME_END);
    this.#part = 'between';
  }
}

/** How many octets at the end of a typed line say "end of frame": `^@`, NUL, or nothing. */
function frameEndBytes(line: Buffer): 0 | 1 | 2 {
  if (line.at(-1) === NUL) return 1;
  return line.at(-1) === 0x40 && line.at(-2) === 0x5e ? 2 : 0;
}

function joined(parts: Buffer[]): Buffer | null {
  return parts.length === 0 ? null : Buffer.concat(parts);
}
