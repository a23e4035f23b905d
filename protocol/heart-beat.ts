/** The heart-beat header and what two sides agree on (STOMP 1.2, Heart-beating). */
import { ProtocolError, quoteInput } from './protocol-error.js';

/** One side's offer, in ms; 0 is never. */
export interface HeartBeat {
  /** How often this side can send. */
  readonly sendMs: number;
  /** How often this side wants to receive. */
  readonly receiveMs: number;
}

/** What the server owes and may expect, in ms; 0 is nothing. */
export interface NegotiatedHeartBeat {
  readonly sendEveryMs: number;
  readonly receiveEveryMs: number;
}

const NO_HEART_BEAT: HeartBeat = Object.freeze({ sendMs: 0, receiveMs: 0 });
/** 15 digits stay exact in a number; longer ones are nobody's interval. */
const FORM = /^[ \t]*(\d{1,15})[ \t]*,[ \t]*(\d{1,15})[ \t]*$/;

/**
 * Reads the header; a missing one equals `0,0`.
 * @throws ProtocolError `heart-beat-invalid`
 */
export function parseHeartBeat(value: string | undefined): HeartBeat {
  if (value === undefined) return NO_HEART_BEAT;
  const match = FORM.exec(value);
  if (match === null) {
    throw new ProtocolError(
      'heart-beat-invalid',
      `heart-beat: got ${quoteInput(value)}, wants two non-negative integers "<can send ms>,<wants to receive ms>"`,
    );
  }
  return { sendMs: Number(match[1]), receiveMs: Number(match[2]) };
}

export function formatHeartBeat(heartBeat: HeartBeat): string {
  return `${heartBeat.sendMs},${heartBeat.receiveMs}`;
}

/** Each direction: nothing if either side says 0, else the slower of what one can and the other wants. */
export function negotiateHeartBeat(client: HeartBeat, server: HeartBeat): NegotiatedHeartBeat {
  return {
    sendEveryMs: slower(server.sendMs, client.receiveMs),
    receiveEveryMs: slower(client.sendMs, server.receiveMs),
  };
}

function slower(canSendMs: number, wantsMs: number): number {
  return canSendMs === 0 || wantsMs === 0 ? 0 : Math.max(canSendMs, wantsMs);
}
