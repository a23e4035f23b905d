/**
 * This node's part in a cluster: what is published here goes to the other nodes, what they publish comes to the topics here.
 * Made only where there is a relay between nodes; a single node has none of it.
 */
import { encodeMessage } from '../storage/message-codec.js';
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { NodeRelay } from '../ports.js';
import type { WriteUnit } from '../storage/write-unit.js';

export class Cluster {
  readonly #relay: NodeRelay;

  constructor(relay: NodeRelay) {
    this.#relay = relay;
  }

  /**
   * Before anything of a unit takes effect: who waits for a RECEIPT is told when other nodes cannot have the message.
   * @throws BrokerError `relay-unavailable`
   */
  check(unit: WriteUnit | null): void {
    if (unit?.isReceipted !== true || this.#relay.isAccepting) return;
    const why = this.#relay.problem?.message ?? 'too much is on its way to them';
    throw new BrokerError('relay-unavailable', `Other nodes cannot have it at the moment: ${why}`);
  }

  /** To the other nodes, after the subscribers here. @param unit whose RECEIPT is to wait for it; null: nobody waits */
  publish(destination: string, message: Message, unit: WriteUnit | null): void {
    this.#relay.publish(destination, encodeMessage(message));
    if (unit?.isReceipted === true) unit.confirmedBy(this.#relay.accepted());
  }

  /** A subscription that is to be: wants what other nodes publish. As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined {
    return this.#relay.join(destination);
  }

  leave(destination: string): void {
    this.#relay.leave(destination);
  }
}
