/** What an operator sees of a message, and what becomes of one that is moved. */
import { Headers } from '../../protocol/index.js';
import { Message } from '../message.js';
import type { BrowsedMessage } from './details.js';

/** What a dead letter was given when it was given up. */
const LETTER_HEADERS: ReadonlySet<string> = new Set([
  'destination',
  'original-destination',
  'dead-letter-reason',
  'dead-letter-deliveries',
]);

/** A new message for `destination`, with a number of its own and without the words of its death. */
export function revived(message: Message, destination: string, id: number): Message {
  const { headers, body } = message.decode();
  const kept = [...headers].filter(([name]) => !LETTER_HEADERS.has(name));
  const persistent: readonly [string, string][] =
    message.isStored && !headers.has('persistent') ? [['persistent', 'true']] : [];
  return Message.fromHeaders(id, new Headers([['destination', destination], ...persistent, ...kept]), body);
}

/** Where a message is to go. @param target null: what its `original-destination` says. @returns undefined: nothing says */
export function targetOf(message: Message, target: string | null): string | undefined {
  return target ?? message.decode().headers.get('original-destination');
}

export function browsed(
  message: Message,
  terms: Pick<BrowsedMessage, 'messageId' | 'priority' | 'deliveryCount' | 'isStored' | 'expiresEpochMs'>,
): BrowsedMessage {
  const { headers, body } = message.decode();
  return { ...terms, number: message.id, headers: [...headers], body };
}
