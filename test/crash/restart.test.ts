/** `hoofbeat serve` on a data directory: what an orderly restart keeps, and which directories it does not touch. */
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import Database from 'better-sqlite3';
import { RunningCommand, temporaryDirectory } from '../helpers/cli.js';
import { inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { openConnected, type RawClient } from '../helpers/raw-client.js';
import { settle } from '../helpers/settling.js';

const DEADLINE_MS = 30_000;
const FILE = 'hoofbeat.db';

interface Running {
  readonly command: RunningCommand;
  readonly port: number;
}

type Wrapper = readonly [command: string, ...args: string[]];

function start(t: Test, data: string, wrapper: Wrapper | null = null): RunningCommand {
  const args = ['serve', '--json', '--http-port', '0', '--tcp-port', '0', '--log-level', 'warn', '--data', data];
  return new RunningCommand(t, args, {}, wrapper);
}

async function serve(t: Test, data: string): Promise<Running> {
  const command = start(t, data);
  await command.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  const { addresses } = JSON.parse(command.stdout) as {
    readonly addresses: readonly { readonly transport: string; readonly port: number }[];
  };
  return { command, port: addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0 };
}

async function stop(t: Test, { command }: Running): Promise<void> {
  command.child.kill('SIGTERM');
  const { exitCode, stderr } = await inTime(command.ended, 'the end', DEADLINE_MS);
  t.equal(exitCode, 0);
  t.equal(stderr, '');
}

/** It ends by itself, with 1 and one line that matches. */
async function refuses(t: Test, command: RunningCommand, line: RegExp): Promise<void> {
  const { exitCode, stdout, stderr } = await inTime(command.ended, 'the refusal', DEADLINE_MS);
  t.equal(exitCode, 1);
  t.equal(stdout, '');
  t.match(stderr, line);
  t.match(stderr, /^[^\n]+\n$/, 'one line');
}

async function publish(client: RawClient, destination: string, body: string, headers = {}): Promise<void> {
  client.sendFrame('SEND', { destination, persistent: 'true', receipt: body, ...headers }, body);
  await client.receipt(body);
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** As a broker leaves it that had five messages of 2 kB. */
let sound = '';
t.before(async () => {
  sound = path.join(temporaryDirectory(t), 'data');
  const running = await serve(t, sound);
  const client = await openConnected(t, running.port);
  for (let k = 0; k < 5; k++) await publish(client, '/queue/kept', String(k).padEnd(2_000, '.'));
  client.destroy();
  running.command.child.kill('SIGTERM');
  await inTime(running.command.ended, 'the end', DEADLINE_MS);
});

function copyOfSound(t: Test): string {
  const data = path.join(temporaryDirectory(t), 'data');
  cpSync(sound, data, { recursive: true });
  return data;
}

t.test('an orderly restart keeps what was stored, as it was', async (t) => {
  const data = path.join(temporaryDirectory(t), 'data');
  const first = await serve(t, data);
  const client = await openConnected(t, first.port);
  for (const body of ['a', 'b', 'c', 'd']) await publish(client, '/queue/plain', body, { colour: `light\\c ${body}` });
  for (const [body, priority] of Object.entries({ low: '1', high: '9', mid: '4' })) {
    await publish(client, '/queue/ranked', body, { priority });
  }
  client.sendFrame('SEND', { destination: '/queue/plain', receipt: 'fleeting' }, 'in memory');
  await client.receipt('fleeting');
  const dueEpochMs = Date.now() + 3_000;
  await publish(client, '/queue/later', 'later', { AMQ_SCHEDULED_TIME: String(dueEpochMs) });
  client.sendFrame('BEGIN', { transaction: 'open' });
  client.sendFrame('SEND', { destination: '/queue/plain', persistent: 'true', transaction: 'open' }, 'never');

  const consumer = await openConnected(t, first.port);
  await consumer.subscribe('/queue/plain', '0', { ack: 'client-individual', 'prefetch-count': '2' });
  const [a, b] = await consumer.messages(2);
  settle(consumer, 'ACK', b, { receipt: 'acked' });
  // What takes its place may come before its RECEIPT.
  const answers = [await consumer.frame(), await consumer.frame()];
  t.strictSame(answers.map(({ command }) => command).sort(), ['MESSAGE', 'RECEIPT']);
  t.equal(a?.text, 'a');
  client.sendFrame('DISCONNECT');
  await stop(t, first);

  const second = await serve(t, data);
  const heir = await openConnected(t, second.port);
  await heir.subscribe('/queue/plain', '0', { ack: 'client-individual' });
  const plain = await heir.messages(3);
  t.strictSame(
    plain.map((message) => [message.text, message.get('redelivered'), message.get('colour')]),
    [
      ['a', 'true', 'light: a'],
      ['c', 'true', 'light: c'],
      ['d', 'false', 'light: d'],
    ],
  );
  await heir.subscribe('/queue/ranked', '1');
  t.strictSame(
    (await heir.messages(3)).map(({ text }) => text),
    ['high', 'mid', 'low'],
  );
  await heir.subscribe('/queue/later', '2');
  t.equal((await heir.frame('MESSAGE')).text, 'later');
  t.ok(Date.now() >= dueEpochMs, 'not before its time');
  await heir.fence();
  heir.sendFrame('DISCONNECT');
  await stop(t, second);
});

t.test('a second broker on the same directory is refused, and the first goes on', async (t) => {
  const data = path.join(temporaryDirectory(t), 'data');
  const first = await serve(t, data);
  const client = await openConnected(t, first.port);
  await publish(client, '/queue/kept', 'before');
  await refuses(t, start(t, data), /hoofbeat\.db: is in use by another process/);
  await publish(client, '/queue/kept', 'after');
  client.sendFrame('DISCONNECT');
  await stop(t, first);
  const next = await serve(t, data);
  const heir = await openConnected(t, next.port);
  await heir.subscribe('/queue/kept');
  t.strictSame(
    (await heir.messages(2)).map(({ text }) => text),
    ['before', 'after'],
  );
  await heir.fence();
});

/** What is done to a sound file, and what is said about it then. */
const DAMAGE: Readonly<Record<string, readonly [damage: (file: string) => void, line: RegExp]>> = {
  'of other octets': [(file) => writeFileSync(file, 'not a database, '.repeat(1_000)), /is no SQLite database/],
  'cut off': [(file) => truncateSync(file, 3 * 4_096 + 100), /is damaged/],
  'overwritten in its middle': [
    (file) => {
      const octets = readFileSync(file);
      octets.fill(0xa5, 4_096);
      writeFileSync(file, octets);
    },
    /is damaged/,
  ],
  'of a newer version': [(file) => withDatabase(file, 'PRAGMA user_version = 999'), /newer hoofbeat \(schema 999/],
  'of another program': [(file) => withDatabase(file, 'PRAGMA application_id = 7'), /of another program/],
};

function withDatabase(file: string, sql: string): void {
  const database = new Database(file);
  database.exec(sql);
  database.close();
}

for (const [what, [damage, line]] of Object.entries(DAMAGE)) {
  t.test(`a data file ${what} is refused and left as it is`, async (t) => {
    const data = copyOfSound(t);
    const file = path.join(data, FILE);
    damage(file);
    const before = digest(file);
    await refuses(t, start(t, data), line);
    t.equal(digest(file), before);
  });
}

/** What takes from root its right to write to anything; null for anybody else. */
const UNPRIVILEGED: Wrapper | null =
  process.getuid?.() === 0
    ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--inh-caps', '-all']
    : null;

t.test('a file that may not be written is refused', async (t) => {
  if (!requireProgram(t, 'setpriv')) return;
  const data = copyOfSound(t);
  chmodSync(path.join(data, FILE), 0o400);
  await refuses(t, start(t, data, UNPRIVILEGED), /hoofbeat\.db: .*(is read-only|permission denied)/);
});

t.test('a directory that may not be written is refused', async (t) => {
  if (!requireProgram(t, 'setpriv')) return;
  const data = copyOfSound(t);
  chmodSync(data, 0o500);
  t.teardown(() => {
    chmodSync(data, 0o700);
  });
  await refuses(t, start(t, data, UNPRIVILEGED), /data(\/hoofbeat\.db)?: .*(is read-only|permission denied)/);
  await refuses(t, start(t, path.join(data, 'deeper'), UNPRIVILEGED), /deeper: cannot be made: permission denied/);
  t.notOk(existsSync(path.join(data, 'deeper')));
});
