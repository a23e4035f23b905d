/** STOMP 1.0, 1.1 and 1.2 as octets: parser, serializer and the small negotiations. Usable without the broker. */
export {
  Command,
  commandName,
  findCommand,
  mayHaveBody,
  type CommandCode,
  type CommandName,
  type FrameSender,
} from './command.js';
export type { Frame } from './frame.js';
export {
  DEFAULT_FRAME_LIMITS,
  FrameParser,
  type FrameLimits,
  type FrameParserOptions,
  type RawFrameSink,
} from './frame-parser.js';
export { formatHeader, messageHead, messageTail, serializeFrame } from './frame-serializer.js';
export { escapeHeader, unescapeHeader } from './header-escape.js';
export { Headers } from './headers.js';
export {
  formatHeartBeat,
  negotiateHeartBeat,
  parseHeartBeat,
  type HeartBeat,
  type NegotiatedHeartBeat,
} from './heart-beat.js';
export { PROTOCOL_ERROR_CODES, ProtocolError, quoteInput, type ProtocolErrorCode } from './protocol-error.js';
export { FrameFlag, RawFrame } from './raw-frame.js';
export { negotiateVersion, STOMP_VERSIONS, type StompVersion } from './version.js';
