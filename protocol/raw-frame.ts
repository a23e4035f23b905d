/**
 * One frame as offsets into the octets it arrived in: what the parser hands out. Valid only during the callback.
 * A frame with no flag but NON_ASCII means the same in every version and may be relayed without being re-written.
 */
import { Command, commandName, isUnescaped, type CommandCode } from './command.js';
import type { Frame } from './frame.js';
import { unescapeHeader } from './header-escape.js';
import { Headers } from './headers.js';
import { ProtocolError, quoteInput } from './protocol-error.js';
import type { StompVersion } from './version.js';

/** Facts about the header octets, gathered while they are scanned. */
export const FrameFlag = {
  CR: 1,
  BACKSLASH: 2,
  /** A colon inside a value: it must leave escaped on 1.1 and 1.2. */
  COLON: 4,
  NUL: 8,
  NON_ASCII: 16,
  /** A header that the server consumes, strips or overrides, or a known one that is repeated or oddly written. */
  SPECIAL: 32,
  /** The NUL was missing and forgiven: the octets cannot be passed on as they are. */
  CUT: 64,
} as const;

const NOT_PLAIN = ~FrameFlag.NON_ASCII;
const EMPTY = Buffer.alloc(0);
/** V8 cuts a text shorter than this out of another by copying it, a longer one by pointing into it. */
const MIN_POINTING_LENGTH = 13;

export class RawFrame {
  buffer: Buffer = EMPTY;
  command: CommandCode = Command.SEND;
  flags = 0;
  /** First octet of the first header line. */
  headersStart = 0;
  /** The blank line. */
  headersEnd = 0;
  bodyStart = 0;
  bodyEnd = 0;
  /** One past the NUL. */
  end = 0;
  /** Value of the first `destination` line; -1 when there is none. */
  destinationStart = -1;
  destinationEnd = -1;
  /** Value of `content-length`; -1 when there is none. */
  contentLength = -1;

  /** Whether the header octets and body may be relayed as they are. */
  get isPlain(): boolean {
    return (this.flags & NOT_PLAIN) === 0;
  }

  reset(): void {
    this.flags = 0;
    this.destinationStart = -1;
    this.destinationEnd = -1;
    this.contentLength = -1;
  }

  /** Lets go of the octets, so that no read chunk is kept alive by an idle connection. */
  release(): void {
    this.buffer = EMPTY;
  }

  /**
   * The strict reading: every rule of the version applied, every header unescaped.
   * @throws ProtocolError `header-malformed`, `header-escape-unknown`
   */
  decode(version: StompVersion): Frame {
    const block = this.buffer.toString(
      (this.flags & FrameFlag.NON_ASCII) === 0 ? 'latin1' : 'utf8',
      this.headersStart,
      this.headersEnd,
    );
    const headers = new Headers();
    const unescaped = isUnescaped(this.command);
    let lineNumber = 0;
    for (let at = 0; at < block.length;) {
      const lineEnd = block.indexOf('\n', at);
      lineNumber++;
      const line = this.#withoutEol(block.slice(at, lineEnd), version, unescaped, lineNumber);
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      const value = this.#mayBeKept(name)
        ? this.#owned(line.slice(colon + 1), this.headersStart + at + colon + 1)
        : line.slice(colon + 1);
      if (unescaped) headers.append(name, value);
      else if (version === '1.0') headers.append(name, value.trim());
      else headers.append(unescapeHeader(name, version, lineNumber), unescapeHeader(value, version, lineNumber));
      at = lineEnd + 1;
    }
    const hasBody = this.command === Command.SEND || this.command >= Command.MESSAGE;
    return {
      command: commandName(this.command),
      headers,
      // STOMP 1.0 lets SUBSCRIBE carry a body, which is ignored.
      body: hasBody ? this.buffer.subarray(this.bodyStart, this.bodyEnd) : EMPTY,
    };
  }

  /** What a broker holds on to: of a SEND where it goes; of other frames anything, as they make sessions and subscriptions. */
  #mayBeKept(name: string): boolean {
    return this.command !== Command.SEND || name === 'destination' || name === 'reply-to';
  }

  /**
   * A value that holds its own characters. Else whoever keeps one, be it the login behind a user's name, keeps all headers
   * of its frame: megabytes of them if the client likes, and its passcode.
   * @param at where it stands, when characters are octets
   */
  #owned(value: string, at: number): string {
    if (value.length < MIN_POINTING_LENGTH) return value;
    const isLatin1 = (this.flags & FrameFlag.NON_ASCII) === 0;
    return isLatin1 ? this.buffer.toString('latin1', at, at + value.length) : Buffer.from(value).toString();
  }

  /**
   * One CR before the LF belongs to the line's end: on 1.2 and CONNECT by the grammar, on 1.0 and 1.1 as leniency
   * towards clients that write CRLF (RabbitMQ does the same). Any other CR is data there and an error on 1.2.
   */
  #withoutEol(line: string, version: StompVersion, unescaped: boolean, lineNumber: number): string {
    if ((this.flags & FrameFlag.CR) === 0) return line;
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if ((version === '1.2' || unescaped) && text.includes('\r')) {
      throw new ProtocolError('header-malformed', `Header line ${lineNumber}: CR without LF in ${quoteInput(text)}`);
    }
    return text;
  }
}
