/** Frames on their way to one client, as the outbound interceptors see them (Spring S9.1, S9.7a). */
import { Headers, serializeFrame, type Frame, type StompVersion } from '../../protocol/index.js';
import { Delivery, NotedDelivery, Redelivery, type DeliveryHead } from '../delivery.js';
import type { Message } from '../message.js';
import type { Logger } from '../ports.js';
import type { Interceptors } from './interceptors.js';
import type { SessionHandle } from './session-handle.js';

export class OutboundChannel {
  readonly #interceptors: Interceptors;
  readonly #logger: Logger;
  readonly #messageIdPrefix: string;

  constructor(interceptors: Interceptors, logger: Logger, messageIdPrefix: string) {
    this.#interceptors = interceptors;
    this.#logger = logger;
    this.#messageIdPrefix = messageIdPrefix;
  }

  /** Whether anybody looks. */
  get isActive(): boolean {
    return this.#interceptors.outbound !== null;
  }

  /** An interceptor that throws loses that frame for this client alone. */
  pass(frame: Frame, session: SessionHandle): Frame | null {
    try {
      return this.#interceptors.applyOutbound(frame, session);
    } catch (error) {
      this.#logger.error({ session: session.id, err: error, command: frame.command }, 'an outbound interceptor threw');
      return null;
    }
  }

  /** One delivery as octets of a frame of its own; null when it was dropped. */
  passMessage(head: DeliveryHead, message: Message, session: SessionHandle): Buffer | null {
    const { headers: relayed, body } = message.decode();
    const headers = new Headers(deliveryHeaders(head, message, this.#messageIdPrefix));
    for (const [name, value] of relayed) headers.append(name, value);
    const frame = this.pass({ command: 'MESSAGE', headers, body }, session);
    return frame === null ? null : serializeCounted(frame, session.version);
  }
}

/** What a MESSAGE says of its delivery: everything that stands before what its sender wrote. */
export function deliveryHeaders(
  noted: DeliveryHead,
  message: Message,
  messageIdPrefix: string,
): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  const head = noted instanceof NotedDelivery ? noted.delivery : noted;
  if (head.owner.id !== null) headers.push(['subscription', head.owner.id]);
  headers.push(['message-id', `${messageIdPrefix}${message.idDigits}`]);
  if (head instanceof Delivery) headers.push(['ack', head.ackId]);
  if ((head instanceof Delivery || head instanceof Redelivery) && head.deliveryCount > 1) {
    headers.push(['redelivered', 'true'], ['delivery-count', String(head.deliveryCount)]);
  } else if (head instanceof Delivery) {
    headers.push(['redelivered', 'false']);
  }
  if (noted instanceof NotedDelivery) headers.push(['recovered', String(noted.isRecovered)]);
  return headers;
}

/** The body may be another than before: content-length is counted anew. */
function serializeCounted({ headers, body }: Frame, version: StompVersion): Buffer {
  const others = [...headers].filter(([name]) => name !== 'content-length');
  return serializeFrame('MESSAGE', [...others, ['content-length', String(body.length)]], version, body);
}
