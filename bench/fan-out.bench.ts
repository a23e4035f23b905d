/**
 * What does one more subscription cost? CPU of the server process for each delivery, hoofbeat beside the naive way
 * (MESSAGE built again for every subscription, one send each), alternating in the same run; the ratio is what counts.
 * B is how many messages one read brings in: with B = 1 there is nothing to gather.
 */
import { RawClient } from './raw-client.js';
import { ServerProcess } from './servers/server-process.js';
import { describeMachine, median, medianRatio, printTable } from './measure.js';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 5;
const SUBSCRIBERS = 100;
const DELIVERIES_PER_ROUND = isQuick ? 40_000 : 120_000;
/** Not a size at which a WebSocket length octet is 0, as frames are counted by their NULs. */
const BODY_BYTES = 128;

interface Bed {
  readonly server: ServerProcess;
  readonly publisher: RawClient;
  readonly subscribers: readonly RawClient[];
}

async function openBed(module: string, path: string | null): Promise<Bed> {
  const server = await ServerProcess.start(module);
  const port = path === null ? server.ports.tcpPort : server.ports.httpPort;
  const subscribers: RawClient[] = [];
  for (let k = 0; k < SUBSCRIBERS; k++) {
    const client = await RawClient.open(port, path);
    client.send(client.encode('CONNECT\naccept-version:1.2\nhost:bench\n\n\0', 1));
    client.send(client.encode('SUBSCRIBE\nid:sub-0\ndestination:/topic/bench\nreceipt:r\n\n\0', 1));
    await client.received(2);
    subscribers.push(client);
  }
  const publisher = await RawClient.open(port, path);
  publisher.send(publisher.encode('CONNECT\naccept-version:1.2\nhost:bench\n\n\0', 1));
  await publisher.received(1);
  return { server, publisher, subscribers };
}

/** CPU µs of the server for each delivery. */
async function round({ server, publisher, subscribers }: Bed, batch: number): Promise<number> {
  const frame = `SEND\ndestination:/topic/bench\ncontent-type:text/plain\ncontent-length:${BODY_BYTES}\n\n${'x'.repeat(BODY_BYTES)}\0`;
  const octets = publisher.encode(frame, batch);
  const turns = Math.ceil(DELIVERIES_PER_ROUND / (SUBSCRIBERS * batch));
  const before = await server.cpuMicros();
  for (let turn = 0; turn < turns; turn++) {
    const wanted = subscribers.map((subscriber) => subscriber.frames + batch);
    publisher.send(octets);
    for (const [k, subscriber] of subscribers.entries()) await subscriber.received(wanted[k] ?? 0);
  }
  return ((await server.cpuMicros()) - before) / (turns * batch * SUBSCRIBERS);
}

console.log(
  `One topic, ${SUBSCRIBERS} subscribers, body of ${BODY_BYTES} octets; ${describeMachine()}; medians of ${ROUNDS} rounds\n`,
);
const rows: string[][] = [];
for (const [transport, naivePath, ownPath] of [
  ['TCP', null, null],
  ['WebSocket', '/', '/ws'],
] as const) {
  const naive = await openBed('naive-server', naivePath);
  const own = await openBed('hoofbeat-server', ownPath);
  for (const batch of [1, 16, 64]) {
    const naiveMicros: number[] = [];
    const ownMicros: number[] = [];
    await round(naive, batch);
    await round(own, batch);
    for (let k = 0; k < ROUNDS; k++) {
      naiveMicros.push(await round(naive, batch));
      ownMicros.push(await round(own, batch));
    }
    const ratio = medianRatio(naiveMicros, ownMicros);
    rows.push([
      transport,
      String(batch),
      median(naiveMicros).toFixed(2),
      median(ownMicros).toFixed(2),
      `${ratio.toFixed(1)} ×`,
    ]);
  }
  for (const bed of [naive, own]) {
    for (const client of [bed.publisher, ...bed.subscribers]) client.close();
    await bed.server.stop();
  }
}
printTable(['transport', 'B', 'naive µs/delivery', 'hoofbeat µs/delivery', 'economy'], rows);
