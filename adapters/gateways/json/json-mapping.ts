/** How the JSON messages of an application stand for what a broker does: the one thing that a JSON endpoint is given. */
import type { SessionHandle } from '../../../broker/application/session-handle.js';
import type { Handshake, Principal } from '../../../broker/ports.js';
import type { GatewayMessage, SessionAction, StandingSubscription } from '../gateway-session.js';

/** Who is on the other side. */
export interface JsonClient {
  readonly user: Principal;
  readonly session: SessionHandle;
  /** The HTTP request that opened the connection. */
  readonly handshake: Handshake | null;
}

/** What a message of the client means. `then` is sent to the client once it has taken effect. */
export type JsonAction =
  (SessionAction & { readonly then?: unknown }) | { readonly type: 'reply'; readonly message: unknown };

export interface JsonRefusal {
  /**
   * `invalid-json`: no JSON object; `invalid-message`: what `receive` threw an InvalidMessage for; else the broker's own
   * code, e.g. `access-denied`, or `rate-limited` for more than `broker.quotas` allow.
   */
  readonly code: string;
  readonly text: string;
  /** What was refused; null when it could not be read. */
  readonly message: Readonly<Record<string, unknown>> | null;
  /** When it may be tried again, where that is known. */
  readonly retryAfterMs?: number | undefined;
}

/** Thrown by `receive`: the client is told by `refused`. */
export class InvalidMessage extends Error {
  override readonly name = 'InvalidMessage';
}

export interface JsonMapping {
  /** Said first, once the client is in; undefined says nothing. */
  readonly opened?: ((client: JsonClient) => unknown) | undefined;
  /** What each client is subscribed to from the beginning. */
  readonly subscriptions?: ((client: JsonClient) => readonly StandingSubscription[]) | undefined;
  /**
   * What a message means; several actions happen in order.
   * @throws InvalidMessage when it means nothing
   */
  readonly receive: (
    message: Readonly<Record<string, unknown>>,
    client: JsonClient,
  ) => JsonAction | readonly JsonAction[] | Promise<JsonAction | readonly JsonAction[]>;
  /** What a MESSAGE is to the client; undefined: nothing. */
  readonly render: (message: GatewayMessage, client: JsonClient) => unknown;
  /** What a refusal is to the client, null before it is let in; undefined: nothing. The connection is kept. */
  readonly refused: (refusal: JsonRefusal, client: JsonClient | null) => unknown;
  /** Said before the gateway closes the connection, e.g. for too many errors; undefined: nothing. */
  readonly closing?: ((text: string) => unknown) | undefined;
  /** Lets clients in that show nothing at the handshake and say who they are in a message. Missing: 401. */
  readonly lateLogin?:
    | {
        /** Asks for it. */
        readonly required: () => unknown;
        /** The token of a message, or undefined when it is none of these. */
        readonly token: (message: Readonly<Record<string, unknown>>) => string | undefined;
        readonly accepted: (client: JsonClient) => unknown;
        /** The connection closes behind it. */
        readonly failed: (text: string) => unknown;
      }
    | undefined;
}
