/** What messages of clients mean, by type: validated, enriched, routed. Applications add their own. */
import { z } from 'zod';
import { encodeSegment, InvalidMessage, type JsonAction, type JsonClient } from '../../adapters/index.js';
import { envelope } from './envelope.js';

export interface MessageProcessor<Data = unknown> {
  /** Of `data`; what does not fit is refused with `invalid_message`. */
  readonly validate: z.ZodType<Data>;
  /** Adds what the client need not say, or must not. */
  readonly enrich?: ((data: Data, client: JsonClient) => Data) | undefined;
  readonly route: (data: Data, client: JsonClient) => JsonAction | readonly JsonAction[];
}

/** Ids are numbers or texts, as their clients like. */
export const Id = z.union([z.string().min(1), z.number()]).transform(String);
const Subscription = z.object({
  action: z.enum(['subscribe', 'unsubscribe']),
  project_id: Id,
  /** So many of the latest messages of the room first. */
  replay: z.number().int().positive().max(1_000).optional(),
});
const Acknowledgement = z.object({ ack_id: z.string() });

/** Keeps a processor's own type, so that several can stand in one map. */
export function processor<Data>(given: MessageProcessor<Data>): MessageProcessor {
  return given as MessageProcessor;
}

export const STANDARD_PROCESSORS: Readonly<Record<string, MessageProcessor>> = {
  ping: processor({
    validate: z.unknown(),
    route: () => ({ type: 'reply', message: envelope('pong', {}) }),
  }),
  ack: processor({
    validate: Acknowledgement,
    route: ({ ack_id }) => ({ type: 'ack', id: ack_id }),
  }),
  subscription: processor({
    validate: Subscription,
    route: ({ action, project_id, replay }) => {
      const [room, presence] = [projectTopic(project_id), presenceTopic(project_id)];
      // The snapshot of who is there is the answer to `subscribe`.
      if (action === 'subscribe') {
        const headers = replay === undefined ? undefined : { replay: `last=${replay}` };
        return [
          { type: action, destination: room, headers },
          { type: action, destination: presence },
        ];
      }
      const then = envelope('subscription', { action: 'unsubscribed', project_id });
      return [
        { type: action, destination: presence },
        { type: action, destination: room, then },
      ];
    },
  }),
};

export function projectTopic(projectId: string): string {
  return `/topic/projects/${encodeSegment(projectId)}`;
}

/** Who is in a project: the broker tells, to those who are in it. */
export function presenceTopic(projectId: string): string {
  return `/topic/$presence/projects/${encodeSegment(projectId)}`;
}

/** @throws InvalidMessage */
export function process(
  processors: ReadonlyMap<string, MessageProcessor>,
  message: Readonly<Record<string, unknown>>,
  client: JsonClient,
): JsonAction | readonly JsonAction[] {
  const found = processors.get(String(message['type']));
  if (found === undefined) throw new InvalidMessage(`Unknown message type: ${String(message['type'])}`);
  const result = found.validate.safeParse(message['data']);
  if (!result.success) throw new InvalidMessage(`data: ${result.error.issues[0]?.message ?? 'does not fit'}`);
  return found.route(found.enrich?.(result.data, client) ?? result.data, client);
}
