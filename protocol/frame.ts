/** One STOMP frame, decoded: what the strict path works on. Immutable but for what its headers' holder appends. */
import type { CommandName } from './command.js';
import type { Headers } from './headers.js';

export interface Frame {
  readonly command: CommandName;
  /** Unescaped; on 1.0 trimmed. */
  readonly headers: Headers;
  /** May be a view of the octets the frame was parsed from. */
  readonly body: Buffer;
}
