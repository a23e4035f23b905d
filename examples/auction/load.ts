/**
 * Load on the auction: many connections, delivery latency, memory. `npm run example:auction-load -- --connections=2000`.
 * The server is a process of its own, so that its memory is its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { AuctionHouse } from './auction-house.js';
import { createAuctionApp, tellChange } from './server.js';

/** How many dial at a time. */
const BATCH = 100;

if (process.send === undefined) await runClients();
else await runServer();

/** Answers each message with its memory, after a bid of the price that it is told; 0 is none. */
async function runServer(): Promise<void> {
  const house = new AuctionHouse();
  const item = house.add({
    name: 'Clock',
    description: '',
    startPrice: 1,
    startsEpochMs: 0,
    endsEpochMs: Date.now() + 3_600_000,
  });
  house.tick(Date.now());
  const app = await createAuctionApp({ house, logLevel: 'warn' });
  await app.listen({ port: 0, host: '127.0.0.1' });
  process.on('message', (price: number) => {
    if (price > 0) void tellChange(app.broker, house, house.bid(item.id, price));
    process.send?.({ rssBytes: process.memoryUsage.rss() });
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ port: (app.server.address() as AddressInfo).port });
}

async function runClients(): Promise<void> {
  const { values } = parseArgs({
    options: { connections: { type: 'string', default: '1000' }, bids: { type: 'string', default: '50' } },
  });
  const [connections, bids] = [Number(values.connections), Number(values.bids)];
  const server = fork(import.meta.filename);
  const answer = async (): Promise<Record<string, number>> =>
    ((await once(server, 'message')) as [Record<string, number>])[0];
  const { port } = await answer();
  const ask = async (price: number): Promise<number> => {
    server.send(price);
    return (await answer())['rssBytes'] ?? 0;
  };
  const before = await ask(0);
  const startMs = performance.now();
  let onMessage: (atMs: number) => void = () => undefined;
  const sockets: WebSocket[] = [];
  while (sockets.length < connections) {
    const count = Math.min(BATCH, connections - sockets.length);
    const opened = Array.from({ length: count }, () =>
      connect(`ws://127.0.0.1:${port}/ws`, (atMs) => {
        onMessage(atMs);
      }),
    );
    sockets.push(...(await Promise.all(opened)));
  }
  const openMs = performance.now() - startMs;
  const idle = await ask(0);
  const latenciesMs: number[] = [];
  for (let bid = 1; bid <= bids; bid++) {
    const sentMs = performance.now();
    let missing = connections;
    const everybody = new Promise<void>((resolve) => {
      onMessage = (atMs) => {
        latenciesMs.push(atMs - sentMs);
        if (--missing === 0) resolve();
      };
    });
    await Promise.all([ask(1 + bid), everybody]);
  }
  const busy = await ask(0);
  latenciesMs.sort((a, b) => a - b);
  const at = (part: number): string => (latenciesMs[Math.ceil(latenciesMs.length * part) - 1] ?? NaN).toFixed(1);
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  console.log(
    `${connections} connections in ${(openMs / 1000).toFixed(1)} s, ${latenciesMs.length} deliveries of ${bids} bids`,
  );
  console.log(`latency of delivery: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, 99 % ${at(0.99)} ms, most ${at(1)} ms`);
  console.log(
    `memory of the server: ${mebibytes(before)} MiB alone, ${mebibytes(idle)} with everybody, ${mebibytes(busy)} at the end`,
  );
  for (const socket of sockets) socket.terminate();
  server.disconnect();
}

/** A subscriber; resolves when its subscription is there. */
function connect(url: string, onMessage: (atMs: number) => void): Promise<WebSocket> {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => {
      socket.send('CONNECT\naccept-version:1.2\nhost:localhost\nX-User-ID:1\n\n\0');
    });
    socket.on('message', (data: Buffer) => {
      const command = data.toString('latin1', 0, 9);
      if (command.startsWith('MESSAGE')) onMessage(performance.now());
      else if (command === 'CONNECTED') {
        socket.send('SUBSCRIBE\nid:0\ndestination:/topic/auctions/updates\nreceipt:r\n\n\0');
      } else resolve(socket);
    });
  });
}
