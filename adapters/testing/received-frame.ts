/** A frame as the test client received it. */
import { readPayload } from '../../broker/application/payload.js';
import type { Frame } from '../../protocol/index.js';

export class ReceivedFrame {
  /** `MESSAGE`, `ERROR`, `RECEIPT` or `CONNECTED`. */
  readonly command: string;
  /** Unescaped; the first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;

  constructor(frame: Frame) {
    this.command = frame.command;
    this.headers = frame.headers.toMap();
    // Where the frame lies is the parser's.
    this.body = Buffer.from(frame.body);
  }

  get destination(): string {
    return this.headers.get('destination') ?? '';
  }

  get text(): string {
    return this.body.toString();
  }

  /** By content-type: JSON as a value, text as a string, anything else as a Buffer. */
  get payload(): unknown {
    try {
      return readPayload(this.body, this.headers.get('content-type'));
    } catch {
      return this.body;
    }
  }

  /** For the messages of failed tests. */
  toString(): string {
    const headers = [...this.headers].map(([name, value]) => `${name}:${value}`);
    return `${this.command} ${headers.join(' ')} ${JSON.stringify(this.text)}`;
  }
}
