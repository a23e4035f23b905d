/** The JSON messages of project-rooms as a mapping: envelopes in, envelopes out. */
import type { GatewayMessage, Handshake, JsonMapping } from '../../adapters/index.js';
import { envelope, type ErrorCode, errorEnvelope } from './envelope.js';
import { type MessageProcessor, presenceTopic, process } from './message-processors.js';
import { DIRECT, EVERYBODY } from './project-notifier.js';

const PRESENCE = presenceTopic('');

/** Codes of gateway and broker in the words of this protocol; any other is `processing_error`. */
const CODES: Readonly<Record<string, ErrorCode | undefined>> = {
  'invalid-json': 'invalid_message',
  'invalid-message': 'invalid_message',
  'rate-limited': 'rate_limited',
  'access-denied': 'unauthorized',
  'not-connected': 'unauthorized',
  'server-shutdown': 'connection_closed',
  'credentials-expired': 'connection_closed',
};

export function projectMessages(processors: ReadonlyMap<string, MessageProcessor>): JsonMapping {
  return {
    opened: ({ user }) => envelope('auth_success', { user_id: user.name }),
    subscriptions: ({ handshake }) => [
      EVERYBODY,
      { destination: `/user${DIRECT}`, headers: acknowledges(handshake) ? { ack: 'client-individual' } : undefined },
    ],
    receive: (message, client) => process(processors, message, client),
    render: (message) => (message.subscription.startsWith(PRESENCE) ? presenceOf(message) : payloadOf(message)),
    refused: ({ code, text }) => errorEnvelope(CODES[code] ?? 'processing_error', text),
    closing: (text) => errorEnvelope('connection_closed', text),
    lateLogin: {
      required: () => envelope('auth_required', {}),
      token: ({ type, data }) => {
        const token = (data as { readonly token?: unknown } | null | undefined)?.token;
        return type === 'auth' && typeof token === 'string' ? token : undefined;
      },
      accepted: () => undefined,
      failed: (text) => envelope('auth_failed', { message: text }),
    },
  };
}

/** `?ack=true`: direct messages come again until they are acknowledged. */
function acknowledges(handshake: Handshake | null): boolean {
  return new URL(handshake?.url ?? '/', 'http://localhost').searchParams.get('ack') === 'true';
}

/** The envelope as it was sent; with `ack_id` for who has asked for that. */
function payloadOf({ payload, headers }: GatewayMessage): unknown {
  const ack_id = headers.get('ack');
  return ack_id === undefined ? payload : { ...(payload as object), ack_id };
}

/** Who is there, who has come, who has gone; changes of a bare number are nothing here. */
function presenceOf({ headers, payload, subscription }: GatewayMessage): unknown {
  const project_id = decodeURIComponent(subscription.slice(PRESENCE.length));
  const { users = [], user } = payload as {
    readonly users?: readonly { readonly name: string }[];
    readonly user?: string;
  };
  switch (headers.get('presence')) {
    case 'snapshot':
      return envelope('subscription', { action: 'subscribed', project_id, users: users.map(({ name }) => name) });
    case 'join':
      return envelope('user_joined', { user_id: user, project_id });
    case 'leave':
      return envelope('user_left', { user_id: user, project_id });
    default:
      return undefined;
  }
}
