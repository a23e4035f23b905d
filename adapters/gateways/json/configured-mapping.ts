/** A mapping out of a configuration: what messages mean is said by templates instead of code. */
import type { GatewayMessage } from '../gateway-session.js';
import { InvalidMessage, type JsonAction, type JsonClient, type JsonMapping } from './json-mapping.js';
import { type Fields, fillDestination, fillHeaders, fillTemplate } from './template.js';

/** What one type of message means. `then` is the answer once it has taken effect; undefined answers nothing. */
export type ConfiguredMessage =
  | {
      readonly action: 'subscribe' | 'send';
      readonly destination: string;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      /** Of `send`; missing: the whole message. */
      readonly payload?: unknown;
      readonly then?: unknown;
    }
  | { readonly action: 'unsubscribe'; readonly destination: string; readonly then?: unknown }
  | { readonly action: 'ack' | 'nack'; readonly id: string; readonly then?: unknown }
  | { readonly action: 'reply'; readonly then: unknown };

export interface ConfiguredMessages {
  /** The field that tells messages apart. */
  readonly typeField: string;
  readonly messages: Readonly<Record<string, ConfiguredMessage>>;
  /** What each client is subscribed to from the beginning. */
  readonly subscriptions: readonly string[];
  /** Said first, of `user` and `session`; false: nothing. */
  readonly opened: unknown;
  /** A MESSAGE, of `payload`, `destination`, `subscription`, `ack` and the headers. */
  readonly delivered: unknown;
  /** A refusal, of `code`, `text`, `retryAfterMs` and what was refused. */
  readonly refused: unknown;
}

export function configuredMapping(options: ConfiguredMessages): JsonMapping {
  return {
    opened: ({ user, session }) =>
      options.opened === false ? undefined : fillTemplate(options.opened, { user: user.name, session: session.id }),
    subscriptions: () => options.subscriptions,
    receive: (message, client) => actionOf(options, message, client),
    render: (message) => fillTemplate(options.delivered, fieldsOf(message)),
    refused: ({ code, text, message, retryAfterMs }) =>
      fillTemplate(options.refused, { ...message, code, text, retryAfterMs }),
  };
}

function actionOf({ typeField, messages }: ConfiguredMessages, message: Fields, { user }: JsonClient): JsonAction {
  const type = message[typeField];
  const meant = typeof type === 'string' && Object.hasOwn(messages, type) ? messages[type] : undefined;
  if (meant === undefined) throw new InvalidMessage(`Unknown ${typeField}: ${String(type).slice(0, 100)}`);
  const fields = { ...message, user: user.name };
  const then = fillTemplate(meant.then, fields);
  switch (meant.action) {
    case 'reply':
      return { type: 'reply', message: then };
    case 'ack':
    case 'nack':
      return { type: meant.action, id: fillDestination(meant.id, fields), then };
    case 'unsubscribe':
      return { type: 'unsubscribe', destination: fillDestination(meant.destination, fields), then };
    default: {
      const destination = fillDestination(meant.destination, fields);
      const headers = fillHeaders(meant.headers ?? {}, fields);
      if (meant.action === 'subscribe') return { type: 'subscribe', destination, headers, then };
      const payload = meant.payload === undefined ? message : fillTemplate(meant.payload, fields);
      return { type: 'send', destination, headers, payload, then };
    }
  }
}

function fieldsOf({ headers, payload, destination, subscription }: GatewayMessage): Fields {
  const shown = Buffer.isBuffer(payload) ? payload.toString('base64') : payload;
  return { ...Object.fromEntries(headers), payload: shown, destination, subscription };
}
