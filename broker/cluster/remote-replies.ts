/** Addresses for replies that are another node's: what is sent there goes to that node, and to nobody else. */
import type { ReplyAddresses } from '../destinations/reply-addresses.js';
import type { Route } from '../destinations/route.js';
import type { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Cluster } from './cluster.js';

export class RemoteReplies implements Route {
  readonly destination = '';
  readonly kind = 'reply';
  /** The message says by its destination where it goes. */
  readonly isDirect = false;
  readonly subscriberCount = 0;
  readonly isIdle = true;
  /** Never remembered by anybody. */
  isLive = false;
  readonly #cluster: Cluster;
  readonly #addresses: ReplyAddresses;

  constructor(cluster: Cluster, addresses: ReplyAddresses) {
    this.#cluster = cluster;
    this.#addresses = addresses;
  }

  /** At most once: whether somebody still waits is known there alone. @throws BrokerError `relay-unavailable` */
  publish(message: Message, unit: WriteUnit | null): void {
    const channel = this.#addresses.channelOf(message.headerMap().get('destination') ?? '');
    if (channel === null) return;
    this.#cluster.check(unit);
    message.own();
    const publish = (): void => {
      this.#cluster.publish(channel, message, unit);
    };
    if (unit === null) publish();
    else unit.show(publish);
  }

  add(): void {
    // Nobody subscribes to an address.
  }

  remove(): void {
    // See add.
  }
}
