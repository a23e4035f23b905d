/**
 * Which durable subscription SUBSCRIBE and UNSUBSCRIBE name (conformance ): as ActiveMQ and Artemis have it by
 * the client-id of CONNECT and a name, as RabbitMQ has it by the subscription's id. Another user's is never meant.
 */
import type { Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { CommandContext } from './command-context.js';
import { flagHeader, requireHeader } from './require-header.js';

export interface DurableName {
  /** Unique on the node. */
  readonly key: string;
  /** Several subscriptions may take its messages at a time. */
  readonly isShared: boolean;
}

const NAME_HEADERS: readonly string[] = [
  'activemq.subscriptionName',
  'durable-subscription-name',
  'durable-subscriber-name',
];

/**
 * Null: no durable subscription is meant.
 * @throws BrokerError `header-missing`, `header-invalid`
 */
export function durableName(context: CommandContext, frame: Frame): DurableName | null {
  const user = context.principal?.name ?? null;
  const header = NAME_HEADERS.find((name) => frame.headers.has(name));
  if (header !== undefined) {
    const name = requireHeader(frame, header);
    return { key: JSON.stringify(['client', user, requireClientId(context, header), name]), isShared: false };
  }
  if (!isDurable(frame)) return null;
  const queueName = frame.headers.get('x-queue-name');
  if (queueName !== undefined && queueName !== '') {
    return { key: JSON.stringify(['name', user, queueName]), isShared: true };
  }
  const id = requireHeader(frame, 'id');
  // With a client-id the id need not be unique among all clients of the user.
  return context.clientId === undefined
    ? { key: JSON.stringify(['id', user, id, frame.headers.get('destination') ?? null]), isShared: true }
    : { key: JSON.stringify(['client-and-id', user, context.clientId, id]), isShared: false };
}

/** `durable:true`, or as RabbitMQ has it besides `persistent:true`, at SUBSCRIBE with `auto-delete:false`. */
function isDurable(frame: Frame): boolean {
  const autoDelete = flagHeader(frame, 'auto-delete');
  if (autoDelete === true) return false;
  if (flagHeader(frame, 'durable') === true) return true;
  return flagHeader(frame, 'persistent') === true && (autoDelete === false || frame.command === 'UNSUBSCRIBE');
}

function requireClientId({ clientId }: CommandContext, header: string): string {
  if (clientId !== undefined) return clientId;
  throw new BrokerError('header-missing', `Header "${header}" needs a header "client-id" at CONNECT`);
}
