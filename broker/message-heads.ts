/**
 * Heads of MESSAGE frames, one Buffer for all subscriptions with the same: ten thousand pages that all subscribe as
 * `sub-0` hold one, and the writer knows by reference that their frames are alike (shared-batch.ts).
 */
import { messageHead, type StompVersion } from '../protocol/index.js';
import type { Framing } from './ports.js';

/** Ids that are unique to each client would fill it: then it begins anew, and only sharing is lost. */
const MAX_HEADS = 4096;

export class MessageHeads {
  readonly #messageIdPrefix: string;
  readonly #plain = new Map<string, Buffer>();
  readonly #encoded = new Map<string, Buffer>();

  /** @param messageIdPrefix what precedes the digits in the message-ids of this node */
  constructor(messageIdPrefix: string) {
    this.#messageIdPrefix = messageIdPrefix;
  }

  /**
   * What comes first in every MESSAGE of a subscription, as octets for its kind of connection; not to be changed.
   * @param subscriptionId null on 1.0 without one
   */
  of(subscriptionId: string | null, version: StompVersion, { encode }: Framing): Buffer {
    const plain = messageHead(subscriptionId, this.#messageIdPrefix, version);
    // There is one encoding in the product (JSON, for SockJS), so one more map is enough.
    const heads = encode === null ? this.#plain : this.#encoded;
    const key = plain.toString('latin1');
    const known = heads.get(key);
    if (known !== undefined) return known;
    if (heads.size >= MAX_HEADS) heads.clear();
    const head = encode === null ? plain : encode(plain);
    heads.set(key, head);
    return head;
  }
}
