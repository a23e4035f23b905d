// A data file that somebody else has written, or a disk has damaged; and a bomb in a configuration.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { parseConfig } from '../../adapters/config/config-file.js';
import { SqliteStore } from '../../adapters/stores/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import type { Store, StoreContents } from '../../broker/ports.js';
import { decodeMessage } from '../../broker/storage/message-codec.js';
import { RawClient } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { fuzz } from './fuzz-run.js';

const MESSAGES = 60;

t.test('a bomb of aliases is refused', async (t) => {
  const levels = Array.from({ length: 30 }, (_, k) => `l${k + 1}: &l${k + 1} [${`*l${k}, `.repeat(9)}*l${k}]`);
  t.throws(() => parseConfig(['l0: &l0 x', ...levels].join('\n'), 'f.yaml'), { message: /Excessive alias count/ });
});

/** Messages of a queue, one of them with headers that are stored as such, in the order they were receipted. */
async function fill(directory: string): Promise<string> {
  const server = await startTestServer({ data: directory, workers: 1 });
  const client = await RawClient.open(server.tcpPort);
  await client.connect();
  for (let k = 0; k < MESSAGES; k++) {
    const headers = { destination: '/queue/a', persistent: 'true', ...(k % 3 === 0 ? { priority: '7' } : {}) };
    client.sendFrame('SEND', { ...headers, ...(k === MESSAGES - 1 ? { receipt: 'stored' } : {}) }, `message ${k}`);
  }
  await client.receipt('stored');
  client.destroy();
  await server.stop();
  return path.join(directory, 'hoofbeat.db');
}

/** What is wrong with a file, and how. */
function spoil(random: SeededRandom, file: string, good: Buffer): string {
  const bad = Buffer.from(good);
  const place = (): number => random.between(0, bad.length - 1);
  switch (random.between(0, 3)) {
    case 0:
      writeFileSync(file, bad);
      truncateSync(file, place());
      return 'cut short';
    case 1: {
      const from = place();
      bad.subarray(from, from + random.between(1, 5_000)).fill(random.pick([0, 255]));
      writeFileSync(file, bad);
      return 'a stretch of nothing';
    }
    default:
      for (let k = random.between(1, 20); k > 0; k--) bad[place()] = random.between(0, 255);
      writeFileSync(file, bad);
      return 'octets changed';
  }
}

/** What of the messages can be read, as their numbers; `said` counts what is told of those that cannot. */
async function readAll(store: Store, contents: StoreContents): Promise<{ read: number[]; said: number }> {
  const read: number[] = [];
  let said = 0;
  for (const { stream, priority } of contents.lanes) {
    for (let after = 0; ;) {
      const page = await store.read(stream, priority, after, { maxMessages: 100, maxBytes: 1_000_000 });
      for (const { octets } of page) {
        try {
          const body = /message (\d+)$/.exec(decodeMessage(octets).decode().body.toString());
          if (body === null) said++;
          else read.push(Number(body[1]));
        } catch {
          said++;
        }
      }
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.sequence;
    }
  }
  return { read, said };
}

t.test('a damaged store says what it is, or gives back every message that is whole', async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'hoofbeat-fuzz-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true });
  });
  const clock = new SystemClock();
  const file = await fill(directory);
  const whole = path.join(directory, 'whole.db');
  copyFileSync(file, whole);
  const good = readFileSync(whole);
  const counts = { refused: 0, opened: 0, unreadable: 0 };
  await fuzz(t, 'store file', 12, async (random) => {
    for (const rest of ['-wal', '-shm']) if (existsSync(file + rest)) rmSync(file + rest);
    const how = spoil(random, file, good);
    const store = new SqliteStore({ directory, clock });
    let contents: StoreContents | null = null;
    try {
      contents = await store.open();
      const { read, said } = await readAll(store, contents);
      counts.opened++;
      counts.unreadable += said;
      // A file of no octets is a new one: nothing in it says that there was more.
      const isEmpty = contents.lanes.length === 0 && readFileSync(file).length === 0;
      if (!isEmpty && new Set(read).size + said < MESSAGES)
        throw new Error(`${how}: ${MESSAGES - new Set(read).size - said} messages are missing, and nothing says so`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!text.includes('hoofbeat.db')) throw error;
      counts.refused++;
    } finally {
      await store.close();
    }
  });
  t.comment(JSON.stringify(counts));
});
