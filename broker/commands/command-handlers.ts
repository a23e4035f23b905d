/** Command → handler, for a session that is connected. */
import { handleAck, handleNack } from './acknowledge.js';
import { handleDisconnect } from './disconnect.js';
import { handleSend } from './send.js';
import { handleSubscribe, handleUnsubscribe } from './subscribe.js';
import { handleAbort, handleBegin, handleCommit } from './transact.js';
import type { CommandName, Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/** A promise pauses the session's input until it settles, so that frames keep their order. */
export type CommandHandler = (context: CommandContext, frame: Frame) => void | Promise<void>;

export const COMMAND_HANDLERS: Readonly<Partial<Record<CommandName, CommandHandler>>> = Object.freeze({
  SEND: handleSend,
  SUBSCRIBE: handleSubscribe,
  UNSUBSCRIBE: handleUnsubscribe,
  ACK: handleAck,
  NACK: handleNack,
  BEGIN: handleBegin,
  COMMIT: handleCommit,
  ABORT: handleAbort,
  DISCONNECT: handleDisconnect,
});
