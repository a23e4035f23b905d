/** The commands of STOMP: who sends each, and which may have a body (STOMP 1.2, Body). */

export const Command = {
  SEND: 1,
  SUBSCRIBE: 2,
  UNSUBSCRIBE: 3,
  ACK: 4,
  NACK: 5,
  BEGIN: 6,
  COMMIT: 7,
  ABORT: 8,
  DISCONNECT: 9,
  CONNECT: 10,
  STOMP: 11,
  CONNECTED: 12,
  MESSAGE: 13,
  RECEIPT: 14,
  ERROR: 15,
} as const;

export type CommandName = keyof typeof Command;
export type CommandCode = (typeof Command)[CommandName];

/** Which side's commands a parser takes: a broker reads `client` frames, a client reads `server` frames. */
export type FrameSender = 'client' | 'server';

const FIRST_SERVER_COMMAND = Command.CONNECTED;

/** Longest command word, in octets: UNSUBSCRIBE. */
export const MAX_COMMAND_BYTES = 11;

const CODES: ReadonlyMap<string, CommandCode> = new Map(Object.entries(Command));
const NAMES: readonly string[] = ['', ...Object.keys(Command)];

export function commandName(code: CommandCode): CommandName {
  return NAMES[code] as CommandName;
}

/** The code of a command word that `sender` may use; undefined for any other text. Case counts (STOMP 1.2, Frames). */
export function findCommand(word: string, sender: FrameSender): CommandCode | undefined {
  const code = CODES.get(word);
  if (code === undefined || code >= FIRST_SERVER_COMMAND !== (sender === 'server')) return undefined;
  return code;
}

/** By length of the word. */
const WORDS: { readonly octets: Buffer; readonly code: CommandCode }[][] = [];
for (const [word, code] of CODES) (WORDS[word.length] ??= []).push({ octets: Buffer.from(word), code });

/** As `findCommand`, for a word in octets: a string made for each frame would cost as much as reading its headers. */
export function findCommandAt(
  buffer: Buffer,
  start: number,
  end: number,
  sender: FrameSender,
): CommandCode | undefined {
  const words = WORDS[end - start];
  if (words === undefined) return undefined;
  for (const { octets, code } of words) {
    let k = 0;
    while (k < octets.length && octets[k] === buffer[start + k]) k++;
    if (k === octets.length) return code >= FIRST_SERVER_COMMAND === (sender === 'server') ? code : undefined;
  }
  return undefined;
}

/** SEND, MESSAGE and ERROR only. */
export function mayHaveBody(code: CommandCode): boolean {
  return code === Command.SEND || code === Command.MESSAGE || code === Command.ERROR;
}

/** CONNECT, STOMP and CONNECTED: their headers are never escaped (STOMP 1.2, Value Encoding). */
export function isUnescaped(code: CommandCode): boolean {
  return code === Command.CONNECT || code === Command.STOMP || code === Command.CONNECTED;
}
