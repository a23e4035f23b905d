/** Lots and bidders for people who look: auctions that come, rise and go. */
import { type AuctionHouse, BidRefused, type Lot } from './auction-house.js';

const LOTS: readonly (readonly [name: string, description: string, startPrice: number])[] = [
  ['Brass carriage clock', 'Key wound, runs eight days', 120],
  ['Set of wheelwright’s tools', 'Ash handles, 1920s', 85],
  ['Copper weather vane', 'A running horse, verdigris', 240],
  ['Leather saddle', 'English pattern, 17 inches', 310],
  ['Enamelled road sign', '“Horses, slow”', 45],
  ['Walnut writing slope', 'With its ink bottle', 160],
];
const LENGTH_MS = 40_000;
const BID_EVERY_MS = 900;

/** Fills the house and keeps it busy. @returns stops */
export function runDemo(house: AuctionHouse, onBid: (item: ReturnType<AuctionHouse['bid']>) => void): () => void {
  let next = 0;
  const offer = (startsEpochMs: number): void => {
    const [name, description, startPrice] = LOTS[next++ % LOTS.length] as (typeof LOTS)[number];
    const lot: Lot = { name, description, startPrice, startsEpochMs, endsEpochMs: startsEpochMs + LENGTH_MS };
    house.add(lot);
  };
  for (let k = 0; k < LOTS.length; k++) offer(Date.now() + k * (LENGTH_MS / LOTS.length) - LENGTH_MS / 2);
  const timer = setInterval(() => {
    while (house.active().length < LOTS.length) offer(Date.now() + 5_000);
    const ongoing = house.active().filter(({ status }) => status === 'ONGOING');
    const item = ongoing[Math.floor(Math.random() * ongoing.length)];
    if (item === undefined) return;
    try {
      onBid(house.bid(item.id, Math.round(item.currentPrice * (1.01 + Math.random() * 0.06) * 100) / 100));
    } catch (error) {
      if (!(error instanceof BidRefused)) throw error;
    }
  }, BID_EVERY_MS);
  return () => {
    clearInterval(timer);
  };
}
