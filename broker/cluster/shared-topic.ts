/**
 * A topic of all nodes of a cluster. A class of its own, so that the topics of a single node pay nothing. Subscribers here
 * get a message at once, as from any topic; those of other nodes when it arrives there.
 */
import { Topic } from '../destinations/topic.js';
import type { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Cluster } from './cluster.js';

export class SharedTopic extends Topic {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, ...topic: ConstructorParameters<typeof Topic>) {
    super(...topic);
    this.#cluster = cluster;
  }

  /** @throws BrokerError `relay-unavailable`, when somebody waits for a RECEIPT: then nobody gets it, here neither */
  override publish(message: Message, unit: WriteUnit | null): void {
    this.#cluster.check(unit);
    super.publish(message, unit);
    if (unit?.holdsBack !== true) this.#cluster.publish(this.destination, message, unit);
    else {
      unit.then(() => {
        this.#cluster.publish(this.destination, message, unit);
      });
    }
  }

  /** A message of another node: to subscribers here and to nobody else. Durable subscriptions have it of the node that published it. */
  receive(message: Message): void {
    this.offer(message);
  }
}
