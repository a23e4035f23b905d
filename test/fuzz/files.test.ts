// Files that somebody else has written, or a disk has damaged: the configuration, and the store.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { parseConfig } from '../../adapters/config/config-file.js';
import { OptionsError } from '../../adapters/config/index.js';
import { SqliteStore } from '../../adapters/stores/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { RawClient } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { damage, fuzz } from './fuzz-run.js';

const KEYS = [
  'http',
  'tcp',
  'auth',
  'broker',
  'limits',
  'admin',
  'users',
  'port',
  'queues',
  'relay',
  '__proto__',
  'constructor',
  'endpoints',
  'guesses',
  'data',
] as const;
const SCALARS = [
  '1',
  '-1',
  '8080',
  '1e99',
  '.inf',
  'true',
  'null',
  'text',
  '"\\u0000"',
  '[]',
  '{}',
  '!!js/function x',
  '*a',
  '&a [*a]',
  '2026-01-01',
  '"secret passcode"',
] as const;

function yaml(random: SeededRandom, depth: number): string {
  const pad = '  '.repeat(depth);
  let text = '';
  for (let k = random.between(1, 3); k > 0; k--) {
    const key = random.pick(KEYS);
    if (depth < 3 && random.chance(0.5)) text += `${pad}${key}:\n${yaml(random, depth + 1)}`;
    else text += `${pad}${random.chance(0.15) ? '- ' : ''}${key}: ${random.pick(SCALARS)}\n`;
  }
  return text;
}

t.test('any text is a configuration or has faults that are named', async (t) => {
  await fuzz(t, 'config loader', 1_500, (random) => {
    const made = Buffer.from(yaml(random, 0));
    const text = (random.chance(0.5) ? damage(random, made) : made).toString();
    try {
      parseConfig(text, 'f.yaml');
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      if (!error.message.startsWith('f.yaml')) throw new Error(`does not name the file: ${error.message}`);
    }
    if (Object.hasOwn(Object.prototype, 'port') || ({} as { http?: unknown }).http !== undefined) {
      throw new Error(`all objects have changed: ${text}`);
    }
  });
});

t.test('a bomb of aliases is refused', async (t) => {
  const levels = Array.from({ length: 30 }, (_, k) => `l${k + 1}: &l${k + 1} [${`*l${k}, `.repeat(9)}*l${k}]`);
  t.throws(() => parseConfig(['l0: &l0 x', ...levels].join('\n'), 'f.yaml'), { message: /Excessive alias count/ });
});

t.test('a damaged store opens, or says what it is', async (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'hoofbeat-fuzz-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true });
  });
  const clock = new SystemClock();
  const whole = path.join(directory, 'whole.db');
  const filled = await startTestServer({ data: directory, workers: 1 });
  const client = await RawClient.open(filled.tcpPort);
  await client.connect();
  for (let k = 0; k < 50; k++)
    client.sendFrame('SEND', { destination: '/queue/a', persistent: 'true' }, `message ${k}`);
  client.sendFrame('SEND', { destination: '/queue/a', persistent: 'true', receipt: 'stored' });
  await client.receipt('stored');
  client.destroy();
  await filled.stop();
  const file = path.join(directory, 'hoofbeat.db');
  copyFileSync(file, whole);
  const good = readFileSync(whole);
  await fuzz(t, 'store file', 10, async (random) => {
    for (const rest of ['-wal', '-shm']) if (existsSync(file + rest)) rmSync(file + rest);
    let bad = Buffer.from(good);
    for (let k = random.between(1, 40); k > 0; k--) bad[random.between(0, bad.length - 1)] = random.between(0, 255);
    if (random.chance(0.2)) bad = bad.subarray(0, random.between(0, bad.length));
    writeFileSync(file, bad);
    const store = new SqliteStore({ directory, clock });
    try {
      await store.open();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!text.includes('hoofbeat.db')) throw new Error(`does not name the file: ${text}`);
    }
    await store.close();
  });
});
