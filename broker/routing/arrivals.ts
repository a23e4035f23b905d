/**
 * What other nodes publish, as it arrives: each message is for subscribers here alone, and is passed on to nobody. It came
 * at most once and asks for nothing, so one that cannot be read is left out.
 */
import type { Cluster } from '../cluster/cluster.js';
import { SharedTopic } from '../cluster/shared-topic.js';
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import type { ReplyAddresses } from '../destinations/reply-addresses.js';
import type { Route } from '../destinations/route.js';
import type { Logger } from '../ports.js';
import type { ServerTopics } from '../server-topics.js';
import { decodeForeign } from '../storage/message-codec.js';

export interface ArrivalsParts {
  readonly kinds: DestinationKinds;
  readonly serverTopics: ServerTopics;
  readonly cluster: Cluster | null;
  readonly replyAddresses: ReplyAddresses;
  /** The route of a destination, made at first need. */
  readonly routeOf: (destination: string) => Route;
  readonly nextMessageId: () => number;
  readonly logger: Logger;
}

export class Arrivals {
  readonly #parts: ArrivalsParts;

  constructor(parts: ArrivalsParts) {
    this.#parts = parts;
  }

  /** @param destination a topic, or a channel of the nodes' own @param octets as the relay gave them */
  receive(destination: string, octets: Buffer): void {
    const { kinds, serverTopics, logger } = this.#parts;
    if (kinds.reserved.covers(destination)) {
      serverTopics.receive(destination, octets);
      return;
    }
    try {
      this.#take(destination, octets);
    } catch (error) {
      logger.debug({ err: error, destination }, 'a message of another node is left out');
    }
  }

  #take(destination: string, octets: Buffer): void {
    const { cluster, replyAddresses, routeOf, nextMessageId } = this.#parts;
    const listener = cluster?.listenerOf(destination);
    if (listener !== undefined) {
      listener(octets, destination);
      return;
    }
    const message = decodeForeign(nextMessageId(), octets);
    if (destination === replyAddresses.channel) {
      replyAddresses.find(message.headerMap().get('destination') ?? '')?.publish(message, null);
      return;
    }
    const route = routeOf(destination);
    if (route instanceof SharedTopic) route.receive(message);
  }
}
