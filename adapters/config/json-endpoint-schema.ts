/** The form of an endpoint for JSON messages, beside what it shares with other endpoints. */
import { z } from 'zod';
import type { JsonMessageFileOptions } from './json-endpoint-options.js';
import { strings, text, wholeNumber } from './schema-parts.js';

const MAX_MS = 2_147_483_647;
const ACTIONS = ['subscribe', 'unsubscribe', 'send', 'ack', 'nack', 'reply'] as const;
const DESTINATION = 'a destination such as "/topic/rooms/{room}", or one field such as "{destination}"';
const FIELD = 'the name of a field: letters, digits and _';

const message = z.strictObject(
  {
    action: z.enum(ACTIONS, { error: `one of ${ACTIONS.join(', ')}` }),
    destination: z
      .string({ error: DESTINATION })
      .regex(/^(\/.*|\{\w+\})$/, DESTINATION)
      .optional(),
    id: text.optional(),
    headers: z.record(z.string(), text, { error: 'an object of texts' }).optional(),
    payload: z.unknown().optional(),
    then: z.unknown().optional(),
  },
  { error: 'an object with at least an action' },
);

/** Fields of an endpoint's own object. */
export const jsonPart = {
  maxMessageBytes: wholeNumber(2 ** 30, 1).optional(),
  maxErrors: z.union([z.literal(false), wholeNumber(1_000_000)], { error: 'false or a number' }).optional(),
  errorResetMs: wholeNumber(MAX_MS).optional(),
  pingIntervalMs: wholeNumber(MAX_MS).optional(),
  timeoutMs: wholeNumber(MAX_MS).optional(),
  typeField: z.string({ error: FIELD }).regex(/^\w+$/, FIELD).optional(),
  messages: z.record(z.string(), message, { error: 'an object of messages by their type' }).optional(),
  subscriptions: strings.optional(),
  opened: z.unknown().optional(),
  delivered: z.unknown().optional(),
  refused: z.unknown().optional(),
};

type Needed = 'destination' | 'id' | 'then' | 'headers' | 'payload';

/** What each action wants, and what it may have beside `then`. */
const NEEDS: Readonly<Record<(typeof ACTIONS)[number], { readonly wants: Needed; readonly takes: readonly Needed[] }>> =
  {
    subscribe: { wants: 'destination', takes: ['headers'] },
    unsubscribe: { wants: 'destination', takes: [] },
    send: { wants: 'destination', takes: ['headers', 'payload'] },
    ack: { wants: 'id', takes: [] },
    nack: { wants: 'id', takes: [] },
    reply: { wants: 'then', takes: [] },
  };

/** Faults that the form alone does not show. @param at path of the messages */
export function checkMessages(at: string, messages: Readonly<Record<string, JsonMessageFileOptions>>): string[] {
  return Object.entries(messages).flatMap(([type, given]) => {
    const { wants, takes } = NEEDS[given.action];
    const path = `${at}.${type}`;
    const missing =
      given[wants] === undefined ? [`${path}.${wants}: got nothing, wants a value for action "${given.action}"`] : [];
    const extra = (['destination', 'id', 'headers', 'payload'] as const).filter(
      (name) => given[name] !== undefined && name !== wants && !takes.includes(name),
    );
    return [...missing, ...extra.map((name) => `${path}.${name}: unknown option for action "${given.action}"`)];
  });
}
