/**
 * This node's part in a cluster: what is published here goes to the other nodes, what they publish comes to the topics here.
 * Made only where there is a relay between nodes; a single node has none of it.
 */
import { encodeMessage } from '../storage/message-codec.js';
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { NodeRelay } from '../ports.js';
import type { TurnBudget } from '../turn-budget.js';
import type { WriteUnit } from '../storage/write-unit.js';

/** @param octets as another node gave them to `tell`; may be a view of what they arrived in */
type ChannelListener = (octets: Buffer, channel: string) => void;

export class Cluster {
  readonly #relay: NodeRelay;
  readonly #budget: TurnBudget;
  readonly #listeners = new Map<string, ChannelListener>();

  constructor(relay: NodeRelay, budget: TurnBudget) {
    this.#relay = relay;
    this.#budget = budget;
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
    // A plain frame has been read, and was on this node, when its octets were taken up: who joined since is later than it.
    const atMs = unit === null ? this.#budget.takenUpMs : undefined;
    if (this.#relay.isWanted(destination, atMs)) this.#publishNow(destination, encodeMessage(message), unit);
  }

  /** As `publish`, once the unit takes effect; what `octets` are is known to the channel alone. */
  publishOctets(channel: string, octets: Buffer, unit: WriteUnit): void {
    unit.show(() => {
      if (this.#relay.isWanted(channel)) this.#publishNow(channel, octets, unit);
    });
  }

  #publishNow(channel: string, octets: Buffer, unit: WriteUnit | null): void {
    this.#relay.publish(channel, octets);
    if (unit?.isReceipted === true) unit.confirmedBy(this.#relay.accepted());
  }

  /** Whether what is published now can be handed over. */
  get isReachable(): boolean {
    return this.#relay.isAccepting;
  }

  /** The nodes' own talk, on a channel that begins with `/$`; lost when they cannot be reached. */
  tell(channel: string, octets: Buffer): void {
    this.#relay.publish(channel, octets);
  }

  /** Hears what other nodes tell on a channel, for good. */
  hear(channel: string, listener: ChannelListener): void {
    this.#listeners.set(channel, listener);
    // In force with the first connection.
    this.#relay.join(channel)?.catch(() => undefined);
  }

  /** As `hear`, of all channels below one, `/$x/`; which of them are wanted is said by `join` and `leave`. */
  hearBelow(prefix: string, listener: ChannelListener): void {
    this.#listeners.set(prefix, listener);
  }

  /** Who hears a channel; undefined for destinations. */
  listenerOf(channel: string): ChannelListener | undefined {
    if (!channel.startsWith('/$')) return undefined;
    return this.#listeners.get(channel) ?? this.#listeners.get(channel.slice(0, channel.indexOf('/', 1) + 1));
  }

  /** A subscription that is to be: wants what other nodes publish. As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined {
    return this.#relay.join(destination);
  }

  leave(destination: string): void {
    this.#relay.leave(destination);
  }
}
