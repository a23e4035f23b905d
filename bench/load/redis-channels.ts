/** What both ends of bare Redis Pub/Sub agree on: channels, the message that ends a round, and a clock of the machine. */

export function channelsOf(topics: number): string[] {
  return Array.from({ length: topics }, (_, topic) => `raw:topic/cross.${topic}`);
}

/** One octet: bodies are longer. */
export const END_OF_ROUND = Buffer.from('.');

/** The same in every process of the machine, in ms; `performance.now()` begins with each process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
