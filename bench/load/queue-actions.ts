/** Publishing with receipts, and consuming with acks, against one broker over TCP. */
import { percentile } from '../report/statistics.js';
import { QueueClient } from './queue-client.js';

export const BODY_BYTES = 200;
export const PREFETCH = 100;
/** In `client` mode one ACK covers so many: half the window, so that the next half is on its way meanwhile. */
const CUMULATIVE = PREFETCH / 2;
/** In flight while a queue is filled or emptied, which is not measured. */
const FILL_WINDOW = 1_000;

export interface Target {
  readonly port: number;
  readonly destination: string;
  readonly isPersistent: boolean;
}

export interface PublishFigures {
  /** Until the last RECEIPT. */
  readonly elapsedMs: number;
  /** From writing SEND to reading its RECEIPT. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly messages: number;
}

function sendFrame({ destination, isPersistent }: Target): string {
  const headers = `destination:${destination}\n${isPersistent ? 'persistent:true\n' : ''}content-length:${BODY_BYTES}`;
  return `SEND\n${headers}\nreceipt:r\n\n${'x'.repeat(BODY_BYTES)}\0`;
}

/**
 * Publishes for `durationMs`, then waits for the receipts that are missing.
 * @param producers connections
 * @param window SENDs that each keeps in flight
 */
export async function publish(
  target: Target,
  producers: number,
  window: number,
  durationMs: number,
): Promise<PublishFigures> {
  const frame = sendFrame(target);
  const clients = await Promise.all(Array.from({ length: producers }, () => QueueClient.open(target.port)));
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + durationMs;
  await Promise.all(clients.map((client) => publishThrough(client, frame, window, end, latencies)));
  const elapsedMs = performance.now() - start;
  for (const client of clients) client.close();
  const sorted = Float64Array.from(latencies).sort();
  return { elapsedMs, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), messages: sorted.length };
}

function publishThrough(
  client: QueueClient,
  frame: string,
  window: number,
  endMs: number,
  latencies: number[],
): Promise<void> {
  const frames = Array.from({ length: window + 1 }, (_, count) => Buffer.from(frame.repeat(count)));
  /** When each SEND in flight was written: a ring, as receipts come in the order of their frames. */
  const sentMs = new Float64Array(window).fill(performance.now());
  let oldest = 0;
  let receipts = 0;
  let inFlight = window;
  return new Promise((resolve) => {
    client.onReceipt = () => {
      receipts++;
    };
    client.onReadEnd = () => {
      if (receipts === 0) return;
      const now = performance.now();
      for (; receipts > 0; receipts--) {
        latencies.push(now - (sentMs[oldest] ?? 0));
        sentMs[oldest] = now;
        oldest = (oldest + 1) % window;
        inFlight--;
      }
      if (now < endMs) {
        client.write(frames[window - inFlight] ?? Buffer.alloc(0));
        inFlight = window;
      } else if (inFlight === 0) resolve();
    };
    client.write(frames[window] ?? Buffer.alloc(0));
  });
}

/** Puts `messages` into the queue, receipted. */
export async function fill(target: Target, messages: number): Promise<void> {
  const client = await QueueClient.open(target.port);
  const frame = sendFrame(target);
  let sent = 0;
  let receipted = 0;
  let gathered = 0;
  await new Promise<void>((resolve) => {
    const more = (count: number): void => {
      const possible = Math.min(count, messages - sent);
      sent += possible;
      if (possible > 0) client.write(frame.repeat(possible));
    };
    client.onReceipt = () => {
      gathered++;
      if (++receipted === messages) resolve();
    };
    client.onReadEnd = () => {
      more(gathered);
      gathered = 0;
    };
    more(FILL_WINDOW);
  });
  client.close();
}

/**
 * Takes `messages` from the queue and acknowledges them, from SUBSCRIBE to the RECEIPT of the last ACK.
 * @param onCount called for every message with how many there were
 * @returns milliseconds
 */
export async function consume(
  target: Target,
  messages: number,
  ackMode: 'client' | 'client-individual',
  onCount?: (count: number) => void,
): Promise<number> {
  const client = await QueueClient.open(target.port);
  const every = ackMode === 'client' ? CUMULATIVE : 1;
  let count = 0;
  let acks = '';
  const start = performance.now();
  await new Promise<void>((resolve) => {
    client.onMessage = (ackId) => {
      count++;
      onCount?.(count);
      if (count === messages) acks += `ACK\nid:${ackId}\nreceipt:last\n\n\0`;
      else if (count % every === 0) acks += `ACK\nid:${ackId}\n\n\0`;
    };
    client.onReadEnd = () => {
      if (acks !== '') client.write(acks);
      acks = '';
    };
    client.onReceipt = resolve;
    const headers = `id:s\ndestination:${target.destination}\nack:${ackMode}\nprefetch-count:${PREFETCH}`;
    client.write(`SUBSCRIBE\n${headers}\n\n\0`);
  });
  const elapsedMs = performance.now() - start;
  client.close();
  return elapsedMs;
}

/**
 * Makes sure that a quorum queue of RabbitMQ is there: subscribing declares it, while sending to `/queue/…` would declare it
 * anew, as a classic one.
 * @returns the destination to send to and to consume from
 */
export async function declareQuorumQueue(port: number, queue: string): Promise<string> {
  const client = await QueueClient.open(port);
  const headers = `destination:/queue/${queue}\nx-queue-type:quorum\ndurable:true\nauto-delete:false`;
  await client.request(`SUBSCRIBE\nid:s\n${headers}\nreceipt:subscribed\n\n\0`);
  await client.request(`UNSUBSCRIBE\nid:s\nreceipt:unsubscribed\n\n\0`);
  client.close();
  return `/amq/queue/${queue}`;
}
