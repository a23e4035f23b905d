/** What is asked of inboxes of users that all nodes share, as arguments of the commit script and read from its replies. */
import type {
  InboxAppendResult,
  InboxClaimResult,
  InboxInterest,
  InboxOperation,
  InboxSizes,
  KeptMessage,
  UserMessage,
} from '../../../broker/ports.js';
import type { RedisArgument } from '../connection/redis-commands.js';
import { packMessage, unpackMessage } from './packed-message.js';
import { laneStart } from './queue-kinds.js';
import type { SharedKinds } from './shared-kind.js';

/** All are of one: what waits for its user waits in order. */
const PRIORITY = 4;
const OUTCOMES = ['refused', 'kept', 'there'] as const;

export const INBOX_KINDS: SharedKinds<InboxOperation> = {
  'inbox-append': {
    encode: ({ user, rest, message, bounds, isForKnown, missed }) => [
      user,
      rest,
      bounds.rule,
      packMessage(message),
      message.weightBytes,
      message.expiresEpochMs,
      bounds.maxMessages,
      bounds.maxBytes,
      bounds.maxUsers,
      bounds.maxTotalBytes,
      missed ?? '',
      flag(isForKnown),
      laneStart(PRIORITY),
    ],
    decode: (reply): InboxAppendResult => {
      const [outcome, overflow] = list(reply).map(number);
      return { outcome: OUTCOMES[outcome ?? 0] ?? 'refused', overflow: overflow ?? 0 };
    },
    grows: true,
  },
  'inbox-interest': {
    encode: ({ joined, left }) => [
      joined.length,
      left.length,
      ...[...joined, ...left].flatMap(({ user, interest }: InboxInterest) => [user, interest]),
    ],
    decode: (reply) => list(reply).map(String),
    grows: false,
  },
  'inbox-forget': { encode: () => [], decode: number, grows: false },
  'inbox-claim': {
    encode: ({ user, interests, maxMessages, maxBytes, known }): readonly RedisArgument[] => {
      const places = known === null ? ['-'] : [known.length, ...known];
      return [user, maxMessages, maxBytes, interests.length, ...interests, ...places];
    },
    decode: claimed,
    grows: false,
  },
  'inbox-scan': {
    encode: ({ user, interests, after, maxMessages, maxBytes }) => [
      user,
      maxMessages,
      maxBytes,
      interests.length,
      ...interests,
      after,
    ],
    decode: claimed,
    grows: false,
  },
  'inbox-take': { encode: ({ user, places }) => [user, places.length, ...places], decode: claimed, grows: false },
  'inbox-settle': { encode: ({ user, place }) => [user, place], grows: false },
  'inbox-return': {
    encode: ({ user, place, deliveryCount, notBeforeEpochMs }) => [user, place, deliveryCount, notBeforeEpochMs],
    grows: false,
  },
  'inbox-reclaim': { encode: ({ incarnation }) => [incarnation ?? ''], decode: number, grows: false },
  'inbox-sweep': {
    encode: () => [],
    decode: (reply): InboxSizes => {
      const [expired = 0, users = 0, messages = 0, bytes = 0] = list(reply).map(number);
      return { expired, users, messages, bytes };
    },
    grows: false,
  },
  'inbox-known': { encode: ({ user, untilEpochMs, maxUsers }) => [user, untilEpochMs, maxUsers], grows: true },
};

/** What the script publishes for a user. @throws RangeError for octets that it did not */
export function readUserMessage(octets: Buffer): UserMessage {
  const passedEnd = octets.indexOf(0);
  const userEnd = octets.indexOf(0, passedEnd + 1);
  const restEnd = octets.indexOf(0, userEnd + 1);
  if (passedEnd < 1 || userEnd < 0 || restEnd < 0) throw new RangeError('a message for nobody');
  return {
    passed: octets.toString('latin1', 0, passedEnd),
    user: octets.toString('utf8', passedEnd + 1, userEnd),
    rest: octets.toString('utf8', userEnd + 1, restEnd),
    octets: unpackMessage(octets.subarray(restEnd + 1)).octets,
  };
}

function claimed(reply: unknown): InboxClaimResult {
  const [isMember, found, nextDue, isMore] = list(reply);
  const all = list(found);
  const messages: KeptMessage[] = [];
  for (let k = 0; k + 3 < all.length; k += 4) {
    const { octets, expiresEpochMs } = unpackMessage(all[k + 1] as Buffer);
    messages.push({
      place: number(all[k]),
      rest: String(all[k + 3]),
      octets,
      expiresEpochMs,
      deliveryCount: number(all[k + 2]),
    });
  }
  return { isMember: isMember === 1, messages, nextDueEpochMs: number(nextDue), isMore: isMore === 1 };
}

function flag(value: boolean): string {
  return value ? '1' : '';
}

function list(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new TypeError(`wants a list, got ${String(reply)}`);
  return reply;
}

function number(reply: unknown): number {
  return Number(String(reply));
}
