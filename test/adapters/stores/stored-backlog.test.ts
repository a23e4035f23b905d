/** What a backlog of stored messages costs its broker: a part of it in memory, and each message read back once. */
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { SqliteStore } from '../../../adapters/stores/index.js';
import { SystemClock } from '../../../adapters/system-clock.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { TcpTransport } from '../../../adapters/transports/index.js';
import { BODY_BYTES, consume, fill } from '../../../bench/load/queue-actions.js';
import { Broker } from '../../../broker/index.js';
import type { StoredMessage } from '../../../broker/ports.js';

const FIRST = 20_000;
const MORE = 40_000;
/** Less than the bodies alone; all that belongs to a message in memory is six times as much. */
const MAX_GROWTH_BYTES = MORE * BODY_BYTES;

class CountingStore extends SqliteStore {
  reads = 0;
  rowsRead = 0;

  override async read(...wanted: Parameters<SqliteStore['read']>): Promise<readonly StoredMessage[]> {
    const messages = await super.read(...wanted);
    this.reads++;
    this.rowsRead += messages.length;
    return messages;
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** The memory of a buffer is given back by a thread of V8's own, some time after the buffer was collected. */
const MAX_COLLECTIONS = 50;
/** So many in a row that free nothing more say that it has been. */
const IDLE_COLLECTIONS = 5;

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Octets that stay in use when what is unused is collected, again and again until that changes nothing. */
async function restingBytes(): Promise<number> {
  let least = Infinity;
  for (let k = 0, idle = 0; k < MAX_COLLECTIONS && idle < IDLE_COLLECTIONS; k++) {
    collect();
    await setTimeout(10);
    const used = usedBytes();
    idle = used < least ? 0 : idle + 1;
    least = Math.min(least, used);
  }
  return least;
}

/** As often as it may take, as much may have become unused since; looks no further once they are under `enough`. */
async function leastUsedBytes(enough: number): Promise<number> {
  let least = Infinity;
  for (let k = 0; k < MAX_COLLECTIONS && least >= enough; k++) {
    collect();
    await setTimeout(10);
    least = Math.min(least, usedBytes());
  }
  return least;
}

t.test('a long backlog stays in the store, and each message of it is read once', async (t) => {
  const store = new CountingStore({ directory: t.testdir() });
  const logger = recordingLogger([], 'error');
  const authenticator = { authenticate: () => ({ name: null, roles: [] }) };
  const broker = new Broker({}, { clock: new SystemClock(), logger, authenticator, authorizer: null, store });
  const transport = new TcpTransport({ port: 0, logger });
  await broker.start();
  const { port } = await transport.listen((connection) => broker.accept(connection));
  t.teardown(async () => {
    await broker.stop();
    await transport.close();
  });
  const target = { port, destination: '/queue/backlog', isPersistent: true };
  await fill(target, FIRST);
  const before = await restingBytes();
  await fill(target, MORE);
  const growthBytes = (await leastUsedBytes(before + MAX_GROWTH_BYTES)) - before;
  t.ok(growthBytes < MAX_GROWTH_BYTES, `${growthBytes} octets for ${MORE} messages more`);
  await consume(target, FIRST + MORE, 'client');
  t.ok(store.rowsRead > MORE, 'most of it came back from the store');
  t.ok(store.rowsRead <= FIRST + MORE, `${store.rowsRead} rows read for ${FIRST + MORE} messages`);
  t.ok(store.reads < (FIRST + MORE) / 500, `in ${store.reads} pages`);
});
