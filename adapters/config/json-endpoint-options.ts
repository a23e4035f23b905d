/** What an endpoint for JSON messages has beside other endpoints, its defaults, and the step between the two. */

/** What one type of message means: templates, in which `{name}` is a field of the message, or `{user}`. */
export interface JsonMessageFileOptions {
  readonly action: 'subscribe' | 'unsubscribe' | 'send' | 'ack' | 'nack' | 'reply';
  /** Of the first three; a field within it is one segment, encoded. */
  readonly destination?: string | undefined;
  /** Of `ack` and `nack`. */
  readonly id?: string | undefined;
  /** Of `subscribe` and `send`; those whose fields are missing are left out. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of `send`; default: the whole message. */
  readonly payload?: unknown;
  /** The answer, once it has taken effect. */
  readonly then?: unknown;
}

export interface JsonPartOptions {
  /** Longest message of a client; beyond it the connection closes with 1009. */
  readonly maxMessageBytes?: number | undefined;
  /** Refusals after which a client is disconnected; false: never. */
  readonly maxErrors?: number | false | undefined;
  /** How long without another one until they are forgotten. */
  readonly errorResetMs?: number | undefined;
  /** How often a WebSocket is pinged; 0 never. */
  readonly pingIntervalMs?: number | undefined;
  /** Silence, pongs included, after which a WebSocket is cut. Default: twice the interval. */
  readonly timeoutMs?: number | undefined;
  /** The field that tells messages apart. */
  readonly typeField?: string | undefined;
  /** By their type; what stands here takes the place of all of the default. */
  readonly messages?: Readonly<Record<string, JsonMessageFileOptions>> | undefined;
  /** What each client is subscribed to from the beginning. */
  readonly subscriptions?: readonly string[] | undefined;
  /** Template of what is said first; false: nothing. */
  readonly opened?: unknown;
  /** Template of a MESSAGE: `payload`, `destination`, `subscription`, `ack` and the other headers. */
  readonly delivered?: unknown;
  /** Template of a refusal: `code`, `text`, `retryAfterMs`, and the fields of what was refused. */
  readonly refused?: unknown;
}

/** What the gateway takes (`ConfiguredMessage`), said anew, as adapters' folders do not import each other: composition joins them. */
type ResolvedJsonMessage =
  | {
      readonly action: 'subscribe' | 'send';
      readonly destination: string;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      readonly payload?: unknown;
      readonly then?: unknown;
    }
  | { readonly action: 'unsubscribe'; readonly destination: string; readonly then?: unknown }
  | { readonly action: 'ack' | 'nack'; readonly id: string; readonly then?: unknown }
  | { readonly action: 'reply'; readonly then: unknown };

export interface ResolvedJsonPart {
  readonly maxMessageBytes: number;
  readonly maxErrors: number | false;
  readonly errorResetMs: number;
  readonly pingIntervalMs: number;
  readonly timeoutMs: number;
  readonly typeField: string;
  readonly messages: Readonly<Record<string, ResolvedJsonMessage>>;
  readonly subscriptions: readonly string[];
  readonly opened: unknown;
  readonly delivered: unknown;
  readonly refused: unknown;
}

const MESSAGES: Readonly<Record<string, ResolvedJsonMessage>> = {
  subscribe: {
    action: 'subscribe',
    destination: '{destination}',
    headers: { ack: '{ack}', selector: '{selector}', replay: '{replay}' },
    then: { type: 'subscribed', destination: '{destination}', id: '{id}' },
  },
  unsubscribe: {
    action: 'unsubscribe',
    destination: '{destination}',
    then: { type: 'unsubscribed', destination: '{destination}', id: '{id}' },
  },
  send: {
    action: 'send',
    destination: '{destination}',
    headers: { persistent: '{persistent}' },
    payload: '{payload}',
    then: { type: 'sent', id: '{id}' },
  },
  ack: { action: 'ack', id: '{ack}', then: { type: 'acknowledged', id: '{id}' } },
  nack: { action: 'nack', id: '{ack}', then: { type: 'refused', id: '{id}' } },
  ping: { action: 'reply', then: { type: 'pong', id: '{id}' } },
};

export const DEFAULT_JSON_ENDPOINT_OPTIONS = Object.freeze({
  maxMessageBytes: 65_536,
  maxErrors: false,
  errorResetMs: 600_000,
  pingIntervalMs: 30_000,
  typeField: 'type',
  messages: MESSAGES,
  subscriptions: [],
  opened: { type: 'connected', user: '{user}', session: '{session}' },
  delivered: {
    type: 'message',
    destination: '{destination}',
    subscription: '{subscription}',
    payload: '{payload}',
    ack: '{ack}',
  },
  refused: { type: 'error', code: '{code}', message: '{text}', id: '{id}', retryAfterMs: '{retryAfterMs}' },
} as const);

/** @param given whose form was checked: each message has what its action wants */
export function resolveJsonPart(given: JsonPartOptions): ResolvedJsonPart {
  const standard = DEFAULT_JSON_ENDPOINT_OPTIONS;
  const pingIntervalMs = given.pingIntervalMs ?? standard.pingIntervalMs;
  return {
    maxMessageBytes: given.maxMessageBytes ?? standard.maxMessageBytes,
    maxErrors: given.maxErrors ?? standard.maxErrors,
    errorResetMs: given.errorResetMs ?? standard.errorResetMs,
    pingIntervalMs,
    timeoutMs: given.timeoutMs ?? pingIntervalMs * 2,
    typeField: given.typeField ?? standard.typeField,
    messages: (given.messages as ResolvedJsonPart['messages'] | undefined) ?? standard.messages,
    subscriptions: given.subscriptions ?? standard.subscriptions,
    opened: given.opened ?? standard.opened,
    delivered: given.delivered ?? standard.delivered,
    refused: given.refused ?? standard.refused,
  };
}
