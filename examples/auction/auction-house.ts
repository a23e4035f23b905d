/** Auctions in memory: what is on offer, who bids what, and what the clock does to it. Knows nothing of messaging. */

export const AUCTION_STATUSES = ['DRAFT', 'UPCOMING', 'ONGOING', 'ENDED', 'CANCELLED'] as const;

export interface AuctionItem {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly status: (typeof AUCTION_STATUSES)[number];
  readonly currentPrice: number;
  /** RFC 3339. */
  readonly auctionStartTime: string;
  readonly auctionEndTime: string;
}

export interface Lot {
  readonly name: string;
  readonly description: string;
  readonly startPrice: number;
  readonly startsEpochMs: number;
  readonly endsEpochMs: number;
}

/** A bid that the house does not take; the message is for the bidder. */
export class BidRefused extends Error {
  override readonly name = 'BidRefused';
}

/** Auctions that are over and still known, the latest. */
const MAX_ENDED = 100;

export class AuctionHouse {
  readonly #items = new Map<number, AuctionItem>();
  readonly #ended: number[] = [];
  #lastId = 0;

  add({ name, description, startPrice, startsEpochMs, endsEpochMs }: Lot): AuctionItem {
    const item: AuctionItem = {
      id: ++this.#lastId,
      name,
      description,
      status: 'UPCOMING',
      currentPrice: startPrice,
      auctionStartTime: new Date(startsEpochMs).toISOString(),
      auctionEndTime: new Date(endsEpochMs).toISOString(),
    };
    this.#items.set(item.id, item);
    return item;
  }

  /** What can be bid on, or can be soon. */
  active(): AuctionItem[] {
    return [...this.#items.values()].filter(({ status }) => status === 'UPCOMING' || status === 'ONGOING');
  }

  /** @throws BidRefused */
  bid(id: number, amount: number): AuctionItem {
    const item = this.#items.get(id);
    if (item === undefined) throw new BidRefused(`There is no auction ${id}`);
    if (item.status !== 'ONGOING') throw new BidRefused(`The auction of ${item.name} is ${item.status}, not ONGOING`);
    if (amount <= item.currentPrice) {
      throw new BidRefused(`${amount.toFixed(2)} is not above the current price of ${item.currentPrice.toFixed(2)}`);
    }
    return this.#change(item, { currentPrice: amount });
  }

  /** Starts and ends auctions whose time has come. @returns those that changed */
  tick(nowEpochMs: number): AuctionItem[] {
    const now = new Date(nowEpochMs).toISOString();
    return this.active().flatMap((item) => {
      if (item.auctionEndTime <= now) return [this.#end(item)];
      if (item.status === 'UPCOMING' && item.auctionStartTime <= now)
        return [this.#change(item, { status: 'ONGOING' })];
      return [];
    });
  }

  #end(item: AuctionItem): AuctionItem {
    const oldest = this.#ended.push(item.id) > MAX_ENDED ? this.#ended.shift() : undefined;
    if (oldest !== undefined) this.#items.delete(oldest);
    return this.#change(item, { status: 'ENDED' });
  }

  #change(item: AuctionItem, change: Partial<AuctionItem>): AuctionItem {
    const changed = { ...item, ...change };
    this.#items.set(item.id, changed);
    return changed;
  }
}
