/** A disk that takes long for each sync: RECEIPTs are late and in order, and nobody waits who does not store. */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ask } from '../helpers/admin.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { requireProgram } from '../helpers/programs.js';
import { openConnected, type RawClient } from '../helpers/raw-client.js';
import { until } from '../helpers/until.js';
import { IS_LONG, recordFault } from './fault-record.js';
import { Served } from './served.js';
import { SlowDisk } from './slow-disk.js';

const SYNC_MS = IS_LONG ? 2_000 : 250;
/** Longer than a store may take before health says so. */
const STUCK_MS = 7_000;
const QUEUE = '/queue/kept';
/** Several times what may be on its way to the store, so that their publisher is held up. */
const MESSAGES = 24;
const BODY = 'x'.repeat(8_000);
const MAX_PENDING_BYTES = 64 * 1024;
/** Between round trips: they are not what the machine is to be busy with. */
const PAUSE_MS = 5;
const TOKEN = 'a-token-of-this-test-alone';
const OPTIONS = {
  tcp: { port: 0 },
  http: false,
  admin: { port: 0, tokens: [{ name: 'x', role: 'viewer', token: TOKEN }], console: false },
  broker: {
    heartBeat: { sendMs: 100, receiveMs: 100 },
    store: { maxPendingBytes: MAX_PENDING_BYTES },
    shutdown: { settleMs: 15_000, deadlineMs: 60_000 },
  },
} as const;

const sent: string[] = [];

/** As one write. @returns their receipt ids */
async function sendAll(client: RawClient, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, k) => String(sent.length + k));
  sent.push(...ids);
  const head = (id: string): string => `SEND\ndestination:${QUEUE}\npersistent:true\nreceipt:${id}\n\n`;
  await client.send(ids.map((id) => `${head(id)}${id} ${BODY}\0`).join(''));
  return ids;
}

async function receipts(client: RawClient, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push((await client.frame('RECEIPT')).get('receipt-id') ?? '');
  return ids;
}

/** @returns the value of a metric of one series */
async function metric(origin: string, name: string): Promise<number> {
  const { text } = await ask(origin, 'GET', '//metrics', { token: TOKEN });
  return Number(new RegExp(`^hoofbeat_${name} (.*)$`, 'm').exec(text)?.[1]);
}

/** Round trips, one after the other, until it is told to end. */
function keepAsking(client: RawClient): { readonly end: () => Promise<number> } {
  let isOver = false;
  const run = async (): Promise<number> => {
    let count = 0;
    for (; !isOver; count++) {
      await client.fence();
      await delay(PAUSE_MS);
    }
    return count;
  };
  const counted = run();
  return {
    end: () => {
      isOver = true;
      return counted;
    },
  };
}

async function stuck(t: Test, server: Served, disk: SlowDisk, origin: string): Promise<string> {
  const client = await openConnected(t, server.ports.tcp);
  disk.syncMs = STUCK_MS;
  await sendAll(client, 1);
  const health = async (): Promise<{ readonly isReady: boolean; readonly problems: readonly object[] }> =>
    (await ask(origin, 'GET', '/health', { token: TOKEN })).body as never;
  await until('health to say so', async () => (await health()).problems.length > 0);
  const said = await health();
  t.match(said, { isReady: false, problems: [{ part: 'store', code: 'store-slow' }] });
  disk.syncMs = SYNC_MS;
  await receipts(client, 1);
  await until('health to say that it is over', async () => (await health()).isReady);
  return `; a sync of ${STUCK_MS / 1e3} s: health says store-slow after 5 s, not ready until it is over`;
}

t.test(`a disk whose syncs take ${SYNC_MS} ms: RECEIPTs are late and in order, and nobody else waits`, async (t) => {
  if (!requireProgram(t, 'gcc')) return;
  t.setTimeout(300_000);
  const directory = temporaryDirectory(t);
  const disk = new SlowDisk(directory);
  const server = await Served.start(t, directory, OPTIONS, { environment: disk.environment });
  const origin = `http://127.0.0.1:${server.ports.admin}`;
  const publisher = await openConnected(t, server.ports.tcp, '1.2', { 'heart-beat': '100,0' });
  const beats = setInterval(() => void publisher.send('\n'), 50);
  t.teardown(() => {
    clearInterval(beats);
  });
  const idle = await openConnected(t, server.ports.tcp, '1.2', { 'heart-beat': '0,100' });
  const witness = await openConnected(t, server.ports.tcp);
  await server.probed();
  const before = await metric(origin, 'store_commits_total');

  disk.syncMs = SYNC_MS;
  const startedMs = performance.now();
  const ids = await sendAll(publisher, MESSAGES);
  const asking = keepAsking(witness);
  const first = await Promise.race([
    idle.nextHeartBeats(3).then(() => 'heart-beats'),
    receipts(publisher, MESSAGES).then((got) => {
      t.strictSame(got, ids, 'in the order of the SENDs');
      return 'RECEIPTs';
    }),
  ]);
  t.equal(first, 'heart-beats', 'they go on meanwhile');
  await until('its RECEIPTs', async () => (await metric(origin, 'store_pending_bytes')) === 0, 120_000);
  const tookMs = performance.now() - startedMs;
  const trips = await asking.end();
  const { busyMs } = await server.probed();
  const commits = (await metric(origin, 'store_commits_total')) - before;
  const seconds = await metric(origin, 'store_commit_seconds_total');
  t.ok(commits > 1, 'its publisher was held up by the bound of what is on its way');
  t.ok(trips > 2 * commits, `${trips} round trips of another client meanwhile`);
  t.ok(seconds * 1e3 >= commits * SYNC_MS, 'metrics tell');
  if (IS_LONG) t.ok(busyMs < 50, `the event loop was busy for ${busyMs.toFixed(1)} ms at most`);
  const hung = IS_LONG ? await stuck(t, server, disk, origin) : '';

  const soFar = await metric(origin, 'messages_received_total');
  const last = await sendAll(publisher, 5);
  // Else it might be sent away before they are read.
  await until('they are read', async () => (await metric(origin, 'messages_received_total')) >= soFar + last.length);
  for (const client of [idle, witness]) client.destroy();
  const [drainMs, got] = await Promise.all([server.stop(), receipts(publisher, last.length)]);
  t.strictSame(got, last, 'a stop waits for the store, and its RECEIPTs reach their client');
  disk.syncMs = 0;

  const next = await Served.start(t, directory, OPTIONS);
  const heir = await openConnected(t, next.ports.tcp);
  await heir.subscribe(QUEUE);
  const kept = (await heir.messages(sent.length)).map(({ text }) => text.slice(0, text.indexOf(' ')));
  t.strictSame(kept, sent);
  heir.sendFrame('DISCONNECT');
  await next.stop();
  recordFault({
    group: 'Disk',
    fault: `each sync takes ${SYNC_MS} ms longer`,
    defence: 'adapters/stores/sqlite-worker.ts (a thread of its own), broker/storage/journal.ts',
    outcome: `${MESSAGES} RECEIPTs in order after ${(tookMs / 1e3).toFixed(1)} s, ${commits} commits; meanwhile ${trips} round trips of another client, heart-beats go on, a publisher that is held up is not cut for its silence; event loop busy ${busyMs.toFixed(0)} ms at most; metrics store_commits_total, store_commit_seconds_total${hung}; SIGTERM waits for the store (${(drainMs / 1e3).toFixed(1)} s), ${sent.length} of ${sent.length} there`,
  });
});
